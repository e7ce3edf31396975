"""Transactions of a wallet: drafted with the node's fee advice, signed here, sent, and waited for."""

from collections.abc import Callable
from dataclasses import dataclass

from coincurve import PrivateKey

from chain.primitives.hashing import keccak256
from chain.primitives.units import COIN, Address, Gas, Hash32, Wei
from cli.rpc_client import RpcClient, RpcRefused, RpcUnreachable, as_object, quantity
from cli.wallet.addresses import format_address
from cli.wallet.amounts import format_coins
from cli.wallet.errors import (
    CallRefused,
    FeeTooHigh,
    InsufficientFunds,
    NotMined,
    TransactionFailed,
    TransactionLost,
    TransactionRefused,
    Unanswered,
    WrongChain,
)

CHAIN_IDS = {"mainnet": 1569, "testnet": 15690, "devnet": 156900}
"""The networks this wallet signs for (DESIGN section 7): never for a chain it does not know."""

REVERTED = 3
"""JSON-RPC error code of a call that would revert."""

MOST_ADVISED_FEE = COIN
"""Highest fee of a transaction that a node's advice alone can bring about: a node that lies could give all of an
account to its miner otherwise. Ten thousand times a payment's fee at the first base fee; geth refuses the same."""

POLL_SECONDS = 1.0

LOST_POLLS = 5
"""Polls in a row in which the node knows nothing of the transaction: it is gone, not merely between two heads. As many
without a usable answer, and the node is."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A transaction (type 2) before it is signed."""

    chain_id: int
    sender: Address
    to: Address
    value: Wei
    data: bytes
    nonce: int
    gas: Gas
    tip: Wei
    """Highest tip per gas."""
    max_fee: Wei
    """Highest fee per gas, base fee included."""
    base_fee: Wei
    """Of the head, to tell what the fee will be about."""

    @property
    def most_fee(self) -> Wei:
        """What the transaction costs at most."""
        return Wei(self.gas * self.max_fee)

    @property
    def likely_fee(self) -> Wei:
        """What it costs at the present base fee."""
        return Wei(self.gas * min(self.max_fee, self.base_fee + self.tip))


def check_chain(client: RpcClient, network: str | None) -> int:
    """Return the chain id of the node's network, which must be `network` if one is named. Raises `WrongChain`."""
    found = client.number("eth_chainId")
    if network is not None and found != CHAIN_IDS[network]:
        raise WrongChain(f"the node at {client.url} has chain id {found}; {network} is {CHAIN_IDS[network]}")
    if found not in CHAIN_IDS.values():
        raise WrongChain(f"the node at {client.url} has chain id {found}: no network of Mappemonde")
    return found


def network_of(chain_id: int) -> str:
    """Return the name of a known network."""
    return next(name for name, known in CHAIN_IDS.items() if known == chain_id)


def draft_transaction(
    client: RpcClient,
    chain_id: int,
    *,
    sender: Address,
    to: Address,
    value: Wei,
    data: bytes = b"",
    tip: Wei | None = None,
    max_fee: Wei | None = None,
    nonce: int | None = None,
) -> Draft:
    """Return a transaction with nonce, gas and fees as the node advises: the cap allows the base fee to double.

    Raises `InsufficientFunds`, `FeeTooHigh`, or `CallRefused` when the receiver would revert.
    """
    balance = Wei(client.number("eth_getBalance", format_address(sender), "latest"))
    fields = {"from": format_address(sender), "to": format_address(to), "value": hex(value), "data": "0x" + data.hex()}
    if balance < value:
        raise _lacking(sender, value, balance)
    try:
        gas = Gas(client.number("eth_estimateGas", fields))
    except RpcRefused as error:
        if error.code == REVERTED:
            raise CallRefused(str(error)) from None
        if "insufficient funds" in str(error):
            raise _lacking(sender, value, balance) from None
        raise
    base_fee = Wei(quantity(client.record("eth_getBlockByNumber", "latest", False)["baseFeePerGas"]))
    if tip is None:
        tip = Wei(client.number("eth_maxPriorityFeePerGas"))
        tip = tip if max_fee is None else min(tip, max_fee)
    draft = Draft(
        chain_id=chain_id,
        sender=sender,
        to=to,
        value=value,
        data=data,
        nonce=next_nonce(client, sender) if nonce is None else nonce,
        gas=gas,
        tip=tip,
        max_fee=Wei(2 * base_fee + tip) if max_fee is None else max_fee,
        base_fee=base_fee,
    )
    if max_fee is None and draft.most_fee > MOST_ADVISED_FEE:
        raise FeeTooHigh(
            f"the node at {client.url} advises a fee of up to {format_coins(draft.most_fee)}, which is over "
            f"{format_coins(MOST_ADVISED_FEE)}: if that is meant, say so with --max-fee"
        )
    if balance < value + draft.most_fee:
        raise _lacking(sender, Wei(value + draft.most_fee), balance)
    return draft


def next_nonce(client: RpcClient, sender: Address) -> int:
    """Return the nonce after all transactions of an account that the node knows."""
    return client.number("eth_getTransactionCount", format_address(sender), "pending")


def _lacking(sender: Address, needed: Wei, balance: Wei) -> InsufficientFunds:
    return InsufficientFunds(
        f"{format_address(sender)} has {format_coins(balance)}; amount and highest fee are {format_coins(needed)}"
    )


def sign_transaction(draft: Draft, key: PrivateKey) -> bytes:
    """Return the signed transaction as it travels."""
    from eth_account import Account

    signed = Account.sign_transaction(
        {
            "type": 2,
            "chainId": draft.chain_id,
            "nonce": draft.nonce,
            "to": format_address(draft.to),
            "value": draft.value,
            "data": "0x" + draft.data.hex(),
            "gas": draft.gas,
            "maxPriorityFeePerGas": draft.tip,
            "maxFeePerGas": draft.max_fee,
        },
        key.secret,
    )
    return bytes(signed.raw_transaction)


def send_transaction(client: RpcClient, raw: bytes) -> Hash32:
    """Hand a signed transaction to the node and return its hash.

    Raises `TransactionRefused` or `InsufficientFunds` when it was not taken, `Unanswered` when it may have been.
    """
    tx_hash = keccak256(raw)
    name = "0x" + tx_hash.hex()
    try:
        answer = client.call("eth_sendRawTransaction", "0x" + raw.hex())
    except RpcUnreachable as error:
        raise Unanswered(_unanswered(name, str(error))) from None
    except RpcRefused as error:
        if "insufficient funds" in str(error):
            raise InsufficientFunds(f"the node refused the transaction: {error}") from None
        raise TransactionRefused(f"the node refused the transaction: {error}") from None
    if answer != name:
        raise Unanswered(_unanswered(name, f"the node at {client.url} calls it {str(answer)[:80]!r}"))
    return tx_hash


def _unanswered(name: str, reason: str) -> str:
    return f"{name} was sent and may be mined: see `mappemonde why tx` with it before you pay again; {reason}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """How a transaction is waited for; `pause` and `monotonic` are the process's own, or a test's."""

    seconds: float
    pause: Callable[[float], None]
    monotonic: Callable[[], float]
    progress: Callable[[int, float], None]
    """Told the height of the head and the seconds waited, once a poll."""


def wait_for_receipt(client: RpcClient, tx_hash: Hash32, draft: Draft, waiting: Waiting) -> dict[str, object]:
    """Return the receipt of a transaction that was mined and succeeded.

    Raises `TransactionFailed`, `TransactionLost`, `Unanswered`, or `NotMined` when the time is over.
    """
    name = "0x" + tx_hash.hex()
    begun = waiting.monotonic()
    unknown = silent = 0
    while True:
        try:
            receipt = client.call("eth_getTransactionReceipt", name)
            if receipt is not None:
                return _succeeded(as_object(receipt), name)
            unknown = unknown + 1 if client.call("eth_getTransactionByHash", name) is None else 0
            if unknown >= LOST_POLLS:
                mined = client.number("eth_getTransactionCount", format_address(draft.sender), "latest")
                reason = "another transaction took its nonce" if mined > draft.nonce else "the node no longer has it"
                raise TransactionLost(f"{name} is gone: {reason}")
            height = client.number("eth_blockNumber")
            silent = 0
        except (RpcUnreachable, RpcRefused) as error:  # a node that is started anew is back in a moment
            silent += 1
            if silent >= LOST_POLLS:
                raise Unanswered(_unanswered(name, str(error))) from None
            height = None
        waited = waiting.monotonic() - begun
        if waited >= waiting.seconds:
            raise NotMined(
                f"{name} is not mined after {waited:.0f} s; it may still be (its nonce is {draft.nonce}: --nonce with "
                "higher fees replaces it)"
            )
        if height is not None:
            waiting.progress(height, waited)
        waiting.pause(POLL_SECONDS)


def _succeeded(receipt: dict[str, object], name: str) -> dict[str, object]:
    number = quantity(receipt.get("blockNumber"))
    if receipt.get("status") != "0x1":
        raise TransactionFailed(f"{name} was mined in block {number} and reverted; its fee is spent")
    return receipt
