// ethers v6: JsonRpcProvider (which batches), WebSocketProvider, Wallet and Contract, used as their documentation does.
import { Contract, JsonRpcProvider, WebSocketProvider, Wallet, isError } from "ethers";
import { EXACT, FIRST, SHORT, STAKE, VALUE, check, finish, refusal, require, task, whilePending } from "./checks.mjs";

// ethers repeats an answer for 250 ms, the pending nonce too: who sends several in a row turns that off
const provider = new JsonRpcProvider(task.url, undefined, { cacheTimeout: -1 });
const socket = new WebSocketProvider(task.ws);
const wallet = new Wallet(task.privateKey, provider);
const staking = new Contract(task.staking.address, task.staking.abi, wallet);
const watched = new Contract(task.staking.address, task.staking.abi, socket);
// a listener of a filter with arguments is given one object, not the event's fields
const deposited = new Promise((resolve) =>
  watched.on(watched.filters.Deposited(task.address), ({ args, log }) =>
    resolve({ owner: args.owner, key: args.validatorKey, amount: args.amount, stake: args.stake, hash: log.transactionHash }),
  ),
);
const nextHead = () => new Promise((resolve) => socket.once("block", resolve));
const to = task.receiver;
const sent = {};

await check("chain", async () => {
  const network = await provider.getNetwork();
  const block = await provider.getBlock("latest", true);
  require(block.number <= (await provider.getBlockNumber()), "the latest block is at most the block number");
  require(block.hash && block.parentHash && block.baseFeePerGas > 0n, "a block has hashes and a base fee");
  return { chainId: network.chainId, miner: block.miner };
});

await check("balance", async () => ({ balance: await provider.getBalance(task.address) }));

await check("fees", async () => {
  const fees = await provider.getFeeData();
  require(fees.maxFeePerGas > fees.maxPriorityFeePerGas, "the cap is over the tip");
  return { gasPrice: fees.gasPrice, maxFeePerGas: fees.maxFeePerGas, tip: fees.maxPriorityFeePerGas };
});

await check("newHeads", async () => ({ number: await nextHead() }));

await check("replacement", () =>
  whilePending(
    nextHead,
    async () => {
      const nonce = await provider.getTransactionCount(task.address, "pending");
      const first = await wallet.sendTransaction({ to, value: VALUE, nonce, ...FIRST });
      const short = await refusal(wallet.sendTransaction({ to, value: VALUE, nonce, ...SHORT }));
      require(isError(short, "REPLACEMENT_UNDERPRICED") || isError(short, "NONCE_EXPIRED"), `a known error: ${short}`);
      if (isError(short, "NONCE_EXPIRED")) throw short;
      sent.replacement = await wallet.sendTransaction({ to, value: VALUE, nonce, ...EXACT });
      const pending = await provider.getTransactionCount(task.address, "pending");
      require(pending === nonce + 1, `the pending nonce counts the waiting one: ${pending}`);
      const waiting = await provider.getTransaction(sent.replacement.hash);
      require(waiting !== null, "a sent transaction is known at once");
      return { refusal: short.code, first: first.hash, hash: sent.replacement.hash };
    },
    (error) => isError(error, "NONCE_EXPIRED"),
  ),
);

await check("transfers", async () => {
  sent.auto = await wallet.sendTransaction({ to, value: VALUE });
  sent.legacy = await wallet.sendTransaction({ to, value: VALUE, type: 0 });
  sent.listed = await wallet.sendTransaction({
    to,
    value: VALUE,
    type: 1,
    accessList: [{ address: task.staking.address, storageKeys: [`0x${"00".repeat(32)}`] }],
  });
  sent.dynamic = await wallet.sendTransaction({ to, value: VALUE, type: 2, ...FIRST });
  sent.deposit = await staking.deposit(task.validatorKey, task.proof, { value: STAKE });
  return { hashes: Object.values(sent).map((tx) => tx.hash) };
});

await check("receipts", async () => {
  const found = {};
  for (const [name, tx] of Object.entries(sent)) {
    const receipt = await tx.wait();
    require(receipt.status === 1, `${name} succeeded`);
    const mined = await provider.getTransaction(tx.hash);
    found[name] = { hash: tx.hash, type: mined.type, gas: receipt.gasUsed, price: receipt.gasPrice };
  }
  return found;
});

await check("watch", async () => {
  const event = await deposited;
  const logs = await staking.queryFilter(staking.filters.Deposited(task.address), 0);
  require(logs.length === 1 && logs[0].transactionHash === event.hash, "the log is found again");
  return event;
});

await check("stake", async () => {
  const { owners } = await staking.validators(0, 256);
  require(owners.includes(task.address), "the validator is listed");
  return { stake: await staking.stakeOf(task.address) };
});

await check("revert", async () => {
  const called = await refusal(staking.requestWithdrawal.staticCall(STAKE + 1n));
  require(isError(called, "CALL_EXCEPTION"), `a known error: ${called}`);
  const estimated = await refusal(staking.withdraw());
  require(isError(estimated, "CALL_EXCEPTION"), `a known error: ${estimated}`);
  return { called: called.reason, estimated: estimated.reason };
});

await check("refusals", async () => {
  const poor = new Wallet(task.poorKey, provider);
  const broke = await refusal(poor.sendTransaction({ to, value: VALUE, gasLimit: 21_000, ...FIRST }));
  const estimated = await refusal(poor.sendTransaction({ to, value: VALUE }));
  const used = await refusal(wallet.sendTransaction({ to, value: VALUE, nonce: 0, ...FIRST }));
  return { insufficientFunds: [broke.code, estimated.code], nonceTooLow: used.code };
});

finish();
