// Foundry's cast: each check runs the program as a user would at the shell.
import { spawn } from "node:child_process";
import { FIRST, EXACT, SHORT, STAKE, VALUE, check, finish, refusal, require, task, whilePending } from "./checks.mjs";

const PROGRAM = new URL("node_modules/@foundry-rs/cast-linux-amd64/bin/cast", import.meta.url).pathname;
const { address, receiver: to } = task;
const staking = task.staking.address;
const key = ["--private-key", task.privateKey];
const DEPOSITED = "Deposited(address indexed owner, bytes validatorKey, uint256 amount, uint256 stake)";

// Runs cast to its end and returns what it printed; an exit code other than 0 is an error with its last words.
function run(...words) {
  return new Promise((resolve, reject) => {
    const child = spawn(PROGRAM, words, { stdio: ["ignore", "pipe", "pipe"] });
    const said = { out: "", err: "" };
    child.stdout.on("data", (data) => (said.out += data));
    child.stderr.on("data", (data) => (said.err += data));
    child.on("error", reject);
    child.on("close", (code) => (code === 0 ? resolve(said.out.trim()) : reject(new Error(said.err.trim()))));
  });
}

const castAt = (url, command, ...words) => run(command, "--rpc-url", url, ...words);
const cast = (...words) => castAt(task.url, ...words);
const number = async (...words) => BigInt((await cast(...words)).split(" ")[0]);
const fees = ({ maxFeePerGas, maxPriorityFeePerGas }) =>
  ["--gas-price", `${maxFeePerGas}`, "--priority-gas-price", `${maxPriorityFeePerGas}`];
const send = (...words) => cast("send", "--async", ...key, ...words);
const pay = (...words) => send(...words, to, "--value", `${VALUE}`);

// `cast logs --subscribe` prints each log as it comes, with --json only when the next one comes.
const watching = spawn(PROGRAM, ["logs", "--rpc-url", task.ws, "--subscribe", "--address", staking, DEPOSITED, address]);
const watched = new Promise((resolve, reject) => {
  let out = "";
  watching.stdout.on("data", (data) => {
    out += data;
    const hash = /transactionHash:?\s+(0x[0-9a-f]{64})/.exec(out);
    if (hash) resolve(hash[1]);
  });
  watching.on("error", reject);
  watching.stderr.on("data", (data) => (out += data));
  watching.on("close", (code) => reject(new Error(`cast logs --subscribe ended with ${code}: ${out}`)));
});
watched.catch(() => {});

// cast has no command that waits for a block
async function nextHead() {
  const before = await number("block-number");
  while ((await number("block-number")) === before) await new Promise((resolve) => setTimeout(resolve, 300));
}

const sent = {};

await check("chain", async () => {
  const block = JSON.parse(await cast("block", "latest", "--json"));
  require(block.hash && block.parentHash && BigInt(block.baseFeePerGas) > 0n, "a block has hashes and a base fee");
  require((await cast("client")).startsWith("Mappemonde/"), "the client tells its name");
  require((await cast("code", staking)) !== "0x", "the staking account has code");
  return { chainId: await number("chain-id"), miner: block.miner };
});

await check("balance", async () => {
  const proof = JSON.parse(await cast("proof", address, "--json"));
  const balance = await number("balance", address);
  require(BigInt(proof.balance) === balance, "the proof is about the same balance");
  return { balance };
});

await check("fees", async () => {
  const [baseFee, gasPrice] = [await number("base-fee"), await number("gas-price")];
  require(gasPrice > baseFee, "the price is over the base fee");
  const history = JSON.parse(await cast("rpc", "eth_feeHistory", "0x4", "latest", "[10,50,90]"));
  require(history.baseFeePerGas.length === history.gasUsedRatio.length + 1, "one base fee more than blocks");
  const gas = await number("estimate", to, "--value", "1", "--from", address);
  require(gas === 21_000n, `gas of a transfer: ${gas}`);
  return { gasPrice };
});

// over a WebSocket, `cast send` subscribes to newHeads and waits for the receipt with them
await check("newHeads", async () => {
  const words = ["send", ...key, "--json", "--timeout", "90", to, "--value", `${VALUE}`];
  const receipt = JSON.parse(await castAt(task.ws, ...words));
  require(receipt.status === "0x1", "it succeeded");
  return { number: BigInt(receipt.blockNumber) };
});

await check("replacement", () =>
  whilePending(
    nextHead,
    async () => {
      const nonce = await number("nonce", address, "--block", "pending");
      const fixed = ["--nonce", `${nonce}`, "--gas-limit", "21000"];
      const first = await pay(...fixed, ...fees(FIRST));
      const short = await refusal(pay(...fixed, ...fees(SHORT)));
      require(/underpriced|nonce too low/.test(short.message), `the node's words: ${short.message}`);
      if (/nonce too low/.test(short.message)) throw short;
      sent.replacement = await pay(...fixed, ...fees(EXACT));
      const pending = await number("nonce", address, "--block", "pending");
      require(pending === nonce + 1n, `the pending nonce counts the waiting one: ${pending}`);
      require(JSON.parse(await cast("tx", sent.replacement, "--json")).hash === sent.replacement, "it is known at once");
      return { refusal: short.message, first, hash: sent.replacement };
    },
    (error) => /nonce too low/.test(error.message),
  ),
);

await check("transfers", async () => {
  await cast("receipt", sent.replacement); // without a nonce cast takes the one at the latest block
  sent.auto = await pay();
  const next = async () => ["--nonce", `${await number("nonce", address, "--block", "pending")}`];
  sent.legacy = await pay("--legacy", ...(await next()));
  const listed = JSON.stringify([{ address: staking, storageKeys: [`0x${"00".repeat(32)}`] }]);
  sent.listed = await pay("--legacy", "--access-list", listed, ...(await next()));
  sent.dynamic = await pay(...fees(FIRST), ...(await next()));
  const call = ["deposit(bytes,bytes)", task.validatorKey, task.proof];
  sent.deposit = await send("--value", `${STAKE}`, ...(await next()), staking, ...call);
  return { hashes: Object.values(sent) };
});

await check("receipts", async () => {
  const found = {};
  for (const [name, hash] of Object.entries(sent)) {
    const receipt = JSON.parse(await cast("receipt", hash, "--json"));
    require(receipt.status === "0x1", `${name} succeeded`);
    found[name] = { hash, type: Number(receipt.type), gas: BigInt(receipt.gasUsed), price: BigInt(receipt.effectiveGasPrice) };
  }
  return found;
});

await check("watch", async () => {
  const hash = await watched;
  watching.kill();
  const logs = JSON.parse(await cast("logs", "--json", "--from-block", "0", "--address", staking, DEPOSITED, address));
  require(logs.length === 1 && logs[0].transactionHash === hash, "the log is found again");
  const decoded = await run("decode-abi", "deposited()(bytes,uint256,uint256)", logs[0].data);
  const [key, amount, stake] = decoded.split("\n").map((line) => line.split(" ")[0]);
  const owner = await run("to-check-sum-address", `0x${logs[0].topics[1].slice(-40)}`);
  return { owner, key, amount, stake, hash };
});

await check("stake", async () => {
  const owners = await cast("call", staking, "validators(uint256,uint256)(address[],bytes[],uint256[])", "0", "256");
  require(owners.includes(address), "the validator is listed");
  return { stake: await number("call", staking, "stakeOf(address)(uint256)", address) };
});

await check("revert", async () => {
  const words = ["requestWithdrawal(uint256)", `${STAKE + 1n}`];
  const called = await refusal(cast("call", "--from", address, staking, ...words));
  const estimated = await refusal(send(staking, "withdraw()"));
  return { called: called.message, estimated: estimated.message };
});

await check("refusals", async () => {
  const poor = ["--async", "--private-key", task.poorKey, to, "--value", `${VALUE}`];
  const broke = await refusal(cast("send", "--gas-limit", "21000", ...fees(FIRST), ...poor));
  const estimated = await refusal(cast("send", ...poor));
  const used = await refusal(pay("--nonce", "0", "--gas-limit", "21000", ...fees(FIRST)));
  return { insufficientFunds: [broke.message, estimated.message], nonceTooLow: used.message };
});

watching.kill("SIGKILL");
finish();
