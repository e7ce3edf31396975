// viem: public and wallet clients over HTTP and WebSocket, with a chain defined as docs/wallets.md tells.
import {
  BaseError,
  ContractFunctionRevertedError,
  createPublicClient,
  createWalletClient,
  defineChain,
  getContract,
  http,
  parseEventLogs,
  webSocket,
} from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { EXACT, FIRST, SHORT, STAKE, VALUE, check, finish, refusal, require, task, whilePending } from "./checks.mjs";

const chain = defineChain({
  id: task.chainId,
  name: "Mappemonde devnet",
  nativeCurrency: { name: "Monde", symbol: "MND", decimals: 18 },
  rpcUrls: { default: { http: [task.url], webSocket: [task.ws] } },
});
const client = createPublicClient({ chain, transport: http(), pollingInterval: 1000 });
const socket = createPublicClient({ chain, transport: webSocket() });
const account = privateKeyToAccount(task.privateKey);
const wallet = createWalletClient({ account, chain, transport: http() });
const abi = task.staking.abi;
const address = task.staking.address;
const staking = getContract({ address, abi, client: { public: client, wallet } });
const to = task.receiver;
const sent = {};

// one watcher over the socket (eth_subscribe logs) and one by polling (eth_newFilter)
const event = { address, abi, eventName: "Deposited", args: { owner: account.address } };
const watch = (from) =>
  new Promise((resolve, reject) =>
    from.watchContractEvent({ ...event, onLogs: (logs) => resolve(logs[0]), onError: reject }),
  );
const [pushed, polled] = [watch(socket), watch(client)];
for (const promise of [pushed, polled]) promise.catch(() => {});
const nextHead = () =>
  new Promise((resolve, reject) => {
    const stop = socket.watchBlocks({
      emitOnBegin: false,
      onBlock: (block) => {
        stop();
        resolve(block);
      },
      onError: reject,
    });
  });

// The names of an error and of all that it was made from: how users of viem sort errors.
function names(error) {
  const found = [];
  for (let at = error; at; at = at.cause) found.push(at.name);
  return found.filter(Boolean);
}

await check("chain", async () => {
  const block = await client.getBlock({ includeTransactions: true });
  require(block.hash && block.parentHash && block.baseFeePerGas > 0n, "a block has hashes and a base fee");
  require(block.number <= (await client.getBlockNumber({ cacheTime: 0 })), "the block number follows");
  return { chainId: await client.getChainId(), miner: block.miner };
});

await check("balance", async () => ({ balance: await client.getBalance({ address: account.address }) }));

await check("fees", async () => {
  const fees = await client.estimateFeesPerGas();
  require(fees.maxFeePerGas > fees.maxPriorityFeePerGas, "the cap is over the tip");
  const history = await client.getFeeHistory({ blockCount: 4, rewardPercentiles: [10, 50.5, 90] });
  require(history.baseFeePerGas.length === history.gasUsedRatio.length + 1, "one base fee more than blocks");
  require(history.reward.every((tips) => tips.length === 3), "a tip per percentile");
  return { gasPrice: await client.getGasPrice(), maxFeePerGas: fees.maxFeePerGas, tip: fees.maxPriorityFeePerGas };
});

await check("newHeads", async () => ({ number: (await nextHead()).number }));

let watchedFirst;
await check("replacement", () =>
  whilePending(
    nextHead,
    async () => {
      const nonce = await client.getTransactionCount({ address: account.address, blockTag: "pending" });
      const first = await wallet.sendTransaction({ to, value: VALUE, nonce, ...FIRST });
      watchedFirst = new Promise((resolve, reject) => {
        let replaced;
        client
          .waitForTransactionReceipt({ hash: first, onReplaced: (found) => (replaced = found) })
          .then((receipt) => resolve({ receipt, replaced }), reject);
      });
      watchedFirst.catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 1500)); // the waiting client looks the first one up meanwhile
      const short = await refusal(wallet.sendTransaction({ to, value: VALUE, nonce, ...SHORT }));
      if (names(short).includes("NonceTooLowError")) throw short;
      require(short.details.startsWith("replacement transaction underpriced"), `the node's words: ${short.details}`);
      sent.replacement = await wallet.sendTransaction({ to, value: VALUE, nonce, ...EXACT });
      const pending = await client.getTransactionCount({ address: account.address, blockTag: "pending" });
      require(pending === nonce + 1, `the pending nonce counts the waiting one: ${pending}`);
      const waiting = await client.getTransaction({ hash: sent.replacement });
      require(waiting.blockNumber === null, "a sent transaction is known at once");
      return { refusal: short.details, first, hash: sent.replacement };
    },
    (error) => names(error).includes("NonceTooLowError"),
  ),
);

await check("transfers", async () => {
  sent.auto = await wallet.sendTransaction({ to, value: VALUE });
  sent.legacy = await wallet.sendTransaction({ to, value: VALUE, type: "legacy" });
  sent.listed = await wallet.sendTransaction({
    to,
    value: VALUE,
    type: "eip2930",
    accessList: [{ address, storageKeys: [`0x${"00".repeat(32)}`] }],
  });
  sent.dynamic = await wallet.sendTransaction({ to, value: VALUE, type: "eip1559", ...FIRST });
  const { request } = await client.simulateContract({
    account,
    address,
    abi,
    functionName: "deposit",
    args: [task.validatorKey, task.proof],
    value: STAKE,
  });
  sent.deposit = await wallet.writeContract(request);
  return { hashes: Object.values(sent) };
});

const receipts = {};
await check("receipts", async () => {
  const found = {};
  for (const [name, hash] of Object.entries(sent)) {
    const receipt = await client.waitForTransactionReceipt({ hash });
    require(receipt.status === "success", `${name} succeeded`);
    receipts[name] = receipt;
    const { typeHex } = await client.getTransaction({ hash });
    found[name] = { hash, type: Number(typeHex), gas: receipt.gasUsed, price: receipt.effectiveGasPrice };
  }
  const { receipt, replaced } = await watchedFirst;
  require(receipt.transactionHash === sent.replacement, "the wait for the first one ends with its replacement");
  return { ...found, seenAs: replaced.reason };
});

await check("watch", async () => {
  const [decoded] = parseEventLogs({ abi, logs: receipts.deposit.logs, eventName: "Deposited" });
  const logs = await staking.getEvents.Deposited({ owner: account.address }, { fromBlock: 0n });
  for (const log of [...logs, await pushed, await polled]) {
    require(log.transactionHash === sent.deposit && log.args.owner === account.address, "the same log each time");
  }
  const { owner, validatorKey: key, amount, stake } = decoded.args;
  return { owner, key, amount, stake, hash: decoded.transactionHash };
});

await check("stake", async () => {
  const [owners] = await staking.read.validators([0n, 256n]);
  require(owners.includes(account.address), "the validator is listed");
  return { stake: await staking.read.stakeOf([account.address]) };
});

await check("revert", async () => {
  const reason = (error) => {
    const found = error instanceof BaseError && error.walk((at) => at instanceof ContractFunctionRevertedError);
    require(found, `a known error: ${error}`);
    return found.reason;
  };
  const called = await refusal(staking.simulate.requestWithdrawal([STAKE + 1n], { account }));
  const estimated = await refusal(staking.estimateGas.withdraw({ account }));
  return { called: reason(called), estimated: reason(estimated) };
});

await check("refusals", async () => {
  const poor = createWalletClient({ account: privateKeyToAccount(task.poorKey), chain, transport: http() });
  const broke = await refusal(poor.sendTransaction({ to, value: VALUE, gas: 21_000n, ...FIRST }));
  const estimated = await refusal(poor.sendTransaction({ to, value: VALUE }));
  const used = await refusal(wallet.sendTransaction({ to, value: VALUE, nonce: 0, ...FIRST }));
  const low = await refusal(wallet.sendTransaction({ to, value: VALUE, gas: 20_000n, ...FIRST }));
  const cheap = { maxFeePerGas: 1n, maxPriorityFeePerGas: 1n };
  const capped = await refusal(wallet.sendTransaction({ to, value: VALUE, gas: 21_000n, ...cheap }));
  const kind = (error) => names(error)[1]; // the first one says what was tried
  return {
    insufficientFunds: [kind(broke), kind(estimated)],
    nonceTooLow: kind(used),
    gasTooLow: kind(low),
    capTooLow: kind(capped),
  };
});

finish();
