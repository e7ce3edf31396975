// web3.js v4: Web3 over HTTP and WebSocket with an account in its wallet.
import { Web3 } from "web3";
import { EXACT, FIRST, SHORT, STAKE, VALUE, check, finish, refusal, require, task, whilePending } from "./checks.mjs";

const web3 = new Web3(task.url);
const socket = new Web3(task.ws);
web3.eth.accounts.wallet.add(task.privateKey);
const from = task.address;
const to = task.receiver;
const staking = new web3.eth.Contract(task.staking.abi, task.staking.address);
const watched = new socket.eth.Contract(task.staking.abi, task.staking.address);
const heads = await socket.eth.subscribe("newHeads");
const nextHead = () =>
  new Promise((resolve, reject) => {
    heads.once("data", resolve);
    heads.once("error", reject);
  });
const deposited = new Promise((resolve, reject) => {
  const subscription = watched.events.Deposited({ filter: { owner: from } });
  subscription.on("data", resolve);
  subscription.on("error", reject);
});
deposited.catch(() => {});
const waits = {};

// Returns the hash of a transaction as soon as the node took it; its receipt is waited for in `waits`.
function hashOf(name, sending) {
  waits[name] = sending;
  waits[name].catch(() => {});
  return new Promise((resolve, reject) => {
    sending.once("transactionHash", resolve);
    sending.catch(reject);
  });
}

// The texts of an error and of all that it was made from: web3.js hands on the node's words.
function words(error) {
  const found = [];
  for (let at = error; at; at = at.innerError ?? at.cause) found.push(at.message, at.reason);
  return found.filter(Boolean).join(" | ");
}

await check("chain", async () => {
  const block = await web3.eth.getBlock("latest", true);
  require(block.hash && block.parentHash && block.baseFeePerGas > 0n, "a block has hashes and a base fee");
  require(block.number <= (await web3.eth.getBlockNumber()), "the block number follows");
  require((await web3.eth.net.isListening()) === true, "it listens");
  require((await web3.eth.net.getId()) === BigInt(task.chainId), "the network id is the chain id");
  require((await web3.eth.isSyncing()) === false, "it is not syncing");
  return { chainId: await web3.eth.getChainId(), miner: block.miner };
});

await check("balance", async () => ({ balance: await web3.eth.getBalance(from) }));

await check("fees", async () => {
  const fees = await web3.eth.calculateFeeData();
  require(fees.maxFeePerGas > fees.maxPriorityFeePerGas, "the cap is over the tip");
  const history = await web3.eth.getFeeHistory(4, "latest", [10, 50, 90]);
  require(history.baseFeePerGas.length === history.gasUsedRatio.length + 1, "one base fee more than blocks");
  return { gasPrice: fees.gasPrice, maxFeePerGas: fees.maxFeePerGas, tip: fees.maxPriorityFeePerGas };
});

await check("newHeads", async () => ({ number: (await nextHead()).number }));

await check("replacement", () =>
  whilePending(
    nextHead,
    async () => {
      const nonce = await web3.eth.getTransactionCount(from, "pending");
      const send = (name, fees) => hashOf(name, web3.eth.sendTransaction({ from, to, value: VALUE, nonce, gas: 21_000, ...fees }));
      const first = await send("first", FIRST);
      delete waits.first;
      const short = await refusal(send("short", SHORT));
      delete waits.short;
      require(/underpriced|nonce too low/.test(words(short)), `the node's words: ${words(short)}`);
      if (/nonce too low/.test(words(short))) throw short;
      const hash = await send("replacement", EXACT);
      const pending = await web3.eth.getTransactionCount(from, "pending");
      require(pending === nonce + 1n, `the pending nonce counts the waiting one: ${pending}`);
      require(await web3.eth.getTransaction(hash), "a sent transaction is known at once");
      return { refusal: words(short), first, hash };
    },
    (error) => /nonce too low/.test(words(error)),
  ),
);

await check("transfers", async () => {
  await waits.replacement; // without a nonce web3.js takes the one at the latest block
  const hashes = [await hashOf("auto", web3.eth.sendTransaction({ from, to, value: VALUE }))];
  const next = () => web3.eth.getTransactionCount(from, "pending");
  const send = async (name, fields) => {
    const fees = { nonce: await next(), ...fields };
    hashes.push(await hashOf(name, web3.eth.sendTransaction({ from, to, value: VALUE, ...fees })));
  };
  const gasPrice = await web3.eth.getGasPrice();
  const accessList = [{ address: task.staking.address, storageKeys: [`0x${"00".repeat(32)}`] }];
  await send("legacy", { type: 0, gasPrice });
  await send("listed", { type: 1, gasPrice, accessList, gas: 25_300 }); // of itself it gives every transfer 21,000
  await send("dynamic", { type: 2, ...FIRST });
  const deposit = staking.methods.deposit(task.validatorKey, task.proof);
  const options = { from, value: STAKE.toString() };
  const gas = (await deposit.estimateGas(options)).toString();
  hashes.push(await hashOf("deposit", deposit.send({ ...options, gas, nonce: (await next()).toString() })));
  return { hashes };
});

const receipts = {};
await check("receipts", async () => {
  const found = {};
  for (const [name, sending] of Object.entries(waits)) {
    const receipt = await sending;
    require(receipt.status === 1n, `${name} succeeded`);
    receipts[name] = receipt;
    found[name] = {
      hash: receipt.transactionHash,
      type: Number(receipt.type),
      gas: receipt.gasUsed,
      price: receipt.effectiveGasPrice,
    };
  }
  return found;
});

await check("watch", async () => {
  const event = await deposited;
  const logs = await staking.getPastEvents("Deposited", { filter: { owner: from }, fromBlock: 0 });
  require(logs.length === 1 && logs[0].transactionHash === event.transactionHash, "the log is found again");
  require(receipts.deposit.events.Deposited.transactionHash === event.transactionHash, "the receipt has it too");
  const { owner, validatorKey: key, amount, stake } = event.returnValues;
  return { owner, key, amount, stake, hash: event.transactionHash };
});

await check("stake", async () => {
  const { owners } = await staking.methods.validators(0, 256).call();
  require(owners.includes(from), "the validator is listed");
  return { stake: await staking.methods.stakeOf(from).call() };
});

await check("revert", async () => {
  const called = await refusal(staking.methods.requestWithdrawal(STAKE + 1n).call({ from }));
  const estimated = await refusal(staking.methods.withdraw().estimateGas({ from }));
  return { called: words(called), estimated: words(estimated) };
});

await check("refusals", async () => {
  const poor = web3.eth.accounts.wallet.add(task.poorKey).at(-1);
  const gas = 21_000;
  const broke = await refusal(web3.eth.sendTransaction({ from: poor.address, to, value: VALUE, gas, ...FIRST }));
  const used = await refusal(web3.eth.sendTransaction({ from, to, value: VALUE, nonce: 0, gas, ...FIRST }));
  return { insufficientFunds: [words(broke)], nonceTooLow: words(used) };
});

socket.provider.disconnect();
finish();
