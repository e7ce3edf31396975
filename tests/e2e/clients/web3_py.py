"""web3.py: HTTP with its signing middleware, and the persistent WebSocket with subscriptions; prints a line per check.

Run by tests/e2e/test_clients.py as the other scripts are; checks.mjs says what the task holds.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from eth_account import Account
from web3 import AsyncWeb3, Web3
from web3.exceptions import ContractLogicError, Web3RPCError
from web3.middleware import SignAndSendRawMiddlewareBuilder
from web3.providers.persistent import WebSocketProvider
from web3.types import LogReceipt, TxParams
from web3.utils.subscriptions import (
    LogsSubscription,
    LogsSubscriptionContext,
    NewHeadsSubscription,
    NewHeadsSubscriptionContext,
)

TASK = json.loads(Path(sys.argv[1]).read_text())
VALUE = 10**15
STAKE = int(TASK["minStake"])
FIRST = {"maxFeePerGas": 4_000_000_000, "maxPriorityFeePerGas": 2_000_000_000}
SHORT = {"maxFeePerGas": 4_400_000_000 - 1, "maxPriorityFeePerGas": 2_200_000_000}
EXACT = {"maxFeePerGas": 4_400_000_000, "maxPriorityFeePerGas": 2_200_000_000}
CHECK_SECONDS = 120
ATTEMPTS = 3

Found = dict[str, object]
"""Facts for the report; their types are those that web3.py happens to return."""


class Client:
    """One run of all checks against one node."""

    def __init__(self, socket: "AsyncWeb3[WebSocketProvider]") -> None:
        self.socket = socket
        self.account = Account.from_key(TASK["privateKey"])
        self.poor = Account.from_key(TASK["poorKey"])
        self.w3 = Web3(Web3.HTTPProvider(TASK["url"]))
        for signer in (self.account, self.poor):
            # inject may be used several times: each one signs for its own account
            self.w3.middleware_onion.inject(SignAndSendRawMiddlewareBuilder.build(signer), layer=0)
        self.address = TASK["staking"]["address"]
        self.staking = self.w3.eth.contract(Web3.to_checksum_address(self.address), abi=TASK["staking"]["abi"])
        self.pay = {"from": self.account.address, "to": TASK["receiver"], "value": VALUE}
        self.sent: dict[str, bytes] = {}
        self.heads: asyncio.Queue[int] = asyncio.Queue()
        self.logs: asyncio.Queue[LogReceipt] = asyncio.Queue()
        self.failures = 0

    async def check(self, name: str, body: Callable[[], Awaitable[Found]]) -> None:
        """Run a check and print what it found; a failed one does not keep the others from running."""
        begun = time.monotonic()
        line: Found
        try:
            line = {"check": name, "ok": True, **await asyncio.wait_for(body(), CHECK_SECONDS)}
        except Exception as error:  # noqa: BLE001  # whatever a client raises is the finding
            self.failures += 1
            line = {"check": name, "ok": False, "error": f"{type(error).__name__}: {error}"}
        line["milliseconds"] = int((time.monotonic() - begun) * 1000)
        sys.stdout.write(json.dumps(line, default=str) + "\n")
        sys.stdout.flush()

    async def subscribe(self) -> None:
        """Subscribe to heads and to the own deposits."""

        async def head(context: NewHeadsSubscriptionContext) -> None:
            await self.heads.put(context.result["number"])

        async def log(context: LogsSubscriptionContext) -> None:
            await self.logs.put(context.result)  # type: ignore[arg-type]  # web3.py names all results

        event = self.staking.events.Deposited()
        owner = "0x" + self.account.address[2:].lower().rjust(64, "0")
        topics = [event.topic, owner]
        logs = LogsSubscription(address=event.address, topics=topics, handler=log)
        await self.socket.subscription_manager.subscribe([NewHeadsSubscription(handler=head), logs])

    async def next_head(self) -> int:
        """Wait for a head that is still to come."""
        while not self.heads.empty():
            self.heads.get_nowait()
        return await self.heads.get()

    def send(self, **fields: object) -> bytes:
        """Send a transfer; what is not given web3.py fills in."""
        return self.w3.eth.send_transaction({**self.pay, **fields})  # type: ignore[typeddict-item]

    async def chain(self) -> Found:
        block = self.w3.eth.get_block("latest", full_transactions=True)
        assert block["baseFeePerGas"] > 0
        assert block["number"] <= self.w3.eth.block_number
        assert self.w3.net.version == str(TASK["chainId"])
        assert self.w3.eth.syncing is False
        return {"chainId": self.w3.eth.chain_id, "miner": block["miner"]}

    async def balance(self) -> Found:
        balance = self.w3.eth.get_balance(self.account.address)
        proof = self.w3.eth.get_proof(self.account.address, [0], "latest")  # type: ignore[call-arg]  # web3.py leaves it untyped
        assert proof["balance"] == balance
        return {"balance": balance}

    async def fees(self) -> Found:
        history = self.w3.eth.fee_history(4, "latest", [10, 50.5, 90])
        assert len(history["baseFeePerGas"]) == len(history["gasUsedRatio"]) + 1
        return {"gasPrice": self.w3.eth.gas_price, "tip": self.w3.eth.max_priority_fee}

    async def new_heads(self) -> Found:
        return {"number": await self.next_head()}

    async def replacement(self) -> Found:
        for attempt in range(1, ATTEMPTS + 1):
            await self.next_head()
            nonce = self.w3.eth.get_transaction_count(self.account.address, "pending")
            first = self.send(nonce=nonce, gas=21_000, **FIRST)
            refused = self.refusal(lambda: self.send(nonce=nonce, gas=21_000, **SHORT))  # noqa: B023  # runs at once
            if refused.startswith("nonce too low") and attempt < ATTEMPTS:
                continue  # a block came between, on a very slow machine
            assert refused.startswith("replacement transaction underpriced"), refused
            hashed = self.w3.eth.replace_transaction(first, {**self.pay, "gas": 21_000, **EXACT})  # type: ignore[arg-type, typeddict-item]
            assert self.w3.eth.get_transaction_count(self.account.address, "pending") == nonce + 1
            assert self.w3.eth.get_transaction(hashed)["nonce"] == nonce
            self.sent["replacement"] = hashed
            return {"attempt": attempt, "refusal": refused, "first": "0x" + first.hex(), "hash": "0x" + hashed.hex()}
        raise AssertionError("a block came between each time")

    @staticmethod
    def refusal(call: Callable[[], object]) -> str:
        """Return the node's words of a refusal."""
        try:
            call()
        except ContractLogicError as error:
            return str(error.message)
        except Web3RPCError as error:
            return str((error.rpc_response or {})["error"]["message"])
        raise AssertionError("was not refused")

    async def transfers(self) -> Found:
        self.sent["auto"] = self.send()
        self.sent["legacy"] = self.send(gasPrice=self.w3.eth.gas_price)
        listed = [{"address": self.address, "storageKeys": ["0x" + "00" * 32]}]
        self.sent["listed"] = self.send(type=1, gasPrice=self.w3.eth.gas_price, accessList=listed)
        self.sent["dynamic"] = self.send(type=2, **FIRST)
        deposit = self.staking.functions.deposit(TASK["validatorKey"], TASK["proof"])
        self.sent["deposit"] = deposit.transact({"from": self.account.address, "value": STAKE})  # type: ignore[arg-type]
        return {"hashes": ["0x" + hashed.hex() for hashed in self.sent.values()]}

    async def receipts(self) -> Found:
        found: Found = {}
        for name, hashed in self.sent.items():
            receipt = await asyncio.to_thread(self.w3.eth.wait_for_transaction_receipt, hashed, 110, 0.5)  # type: ignore[arg-type]
            assert receipt["status"] == 1, name
            price = receipt["effectiveGasPrice"]
            found[name] = {
                "hash": "0x" + hashed.hex(),
                "type": receipt["type"],
                "gas": receipt["gasUsed"],
                "price": price,
            }
        return found

    async def watch(self) -> Found:
        event = self.staking.events.Deposited().process_log(await self.logs.get())
        logs = self.staking.events.Deposited().get_logs(from_block=0, argument_filters={"owner": self.account.address})
        assert [log["transactionHash"] for log in logs] == [event["transactionHash"]]
        found = {name: event["args"][name] for name in ("owner", "amount", "stake")}
        key = "0x" + event["args"]["validatorKey"].hex()
        return {**found, "key": key, "hash": "0x" + event["transactionHash"].hex()}

    async def stake(self) -> Found:
        owners = self.staking.functions.validators(0, 256).call()[0]
        assert self.account.address in owners
        return {"stake": self.staking.functions.stakeOf(self.account.address).call()}

    async def revert(self) -> Found:
        sender: TxParams = {"from": self.account.address}
        return {
            "called": self.refusal(lambda: self.staking.functions.requestWithdrawal(STAKE + 1).call(sender)),
            "estimated": self.refusal(lambda: self.staking.functions.withdraw().transact(sender)),
        }

    async def refusals(self) -> Found:
        poor = {"from": self.poor.address}
        return {
            "insufficientFunds": [
                self.refusal(lambda: self.send(**poor, gas=21_000, **FIRST)),
                self.refusal(lambda: self.send(**poor)),
            ],
            "nonceTooLow": self.refusal(lambda: self.send(nonce=0, gas=21_000, **FIRST)),
        }

    async def run(self) -> int:
        """Run all checks; return the exit code."""
        await self.subscribe()
        handling = asyncio.create_task(self.socket.subscription_manager.handle_subscriptions(run_forever=True))
        await self.check("chain", self.chain)
        await self.check("balance", self.balance)
        await self.check("fees", self.fees)
        await self.check("newHeads", self.new_heads)
        await self.check("replacement", self.replacement)
        await self.check("transfers", self.transfers)
        await self.check("receipts", self.receipts)
        await self.check("watch", self.watch)
        await self.check("stake", self.stake)
        await self.check("revert", self.revert)
        await self.check("refusals", self.refusals)
        handling.cancel()
        return 1 if self.failures else 0


async def main() -> int:
    """Connect and run."""
    async with AsyncWeb3(WebSocketProvider(TASK["ws"])) as socket:
        return await Client(socket).run()


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
