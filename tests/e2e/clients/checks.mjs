// What the client scripts share: the task they get, and one JSON line per check on standard output.
//
// The task is a JSON file named by the only argument (tests/e2e/test_clients.py writes it): URLs of the node, a prefunded
// account, an account without money, the staking account with its ABI, and a validator key with its proof.
import { readFileSync } from "node:fs";

export const task = JSON.parse(readFileSync(process.argv[2], "utf8"));
export const VALUE = 1_000_000_000_000_000n;
export const STAKE = BigInt(task.minStake);

// Fees of a transaction, of a replacement that is one wei short, and of one at exactly 11/10.
const GWEI = 1_000_000_000n;
export const FIRST = { maxFeePerGas: 4n * GWEI, maxPriorityFeePerGas: 2n * GWEI };
export const SHORT = { maxFeePerGas: 4_400_000_000n - 1n, maxPriorityFeePerGas: 2_200_000_000n };
export const EXACT = { maxFeePerGas: 4_400_000_000n, maxPriorityFeePerGas: 2_200_000_000n };

const CHECK_SECONDS = 120;
let failures = 0;

function text(_key, value) {
  return typeof value === "bigint" ? value.toString() : value;
}

export function require(condition, what) {
  if (!condition) throw new Error(`not so: ${what}`);
}

function within(promise, seconds, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${seconds} s: ${what}`)), seconds * 1000);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// Runs a check and prints what it found; a failed one does not keep the others from running.
export async function check(name, body) {
  const begun = Date.now();
  let line;
  try {
    const found = (await within(body(), CHECK_SECONDS, name)) ?? {};
    line = { check: name, ok: true, ...found };
  } catch (error) {
    failures += 1;
    line = { check: name, ok: false, error: String(error?.stack ?? error).slice(0, 4000) };
  }
  console.log(JSON.stringify({ ...line, milliseconds: Date.now() - begun }, text));
}

// Returns the error that a promise ends with; it is a failure if it does not.
export async function refusal(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("was not refused");
}

// Runs a body right after a new head, when no block can come for T_MIN (6 s): what it sends is pending meanwhile. On a
// machine so slow that a block comes between all the same, `mined` recognises it and the body runs again.
export async function whilePending(nextHead, body, mined) {
  for (let attempt = 1; ; attempt += 1) {
    await nextHead();
    try {
      return { attempt, ...(await body()) };
    } catch (error) {
      if (attempt === 3 || !mined(error)) throw error;
    }
  }
}

export function finish() {
  process.exit(failures ? 1 : 0);
}
