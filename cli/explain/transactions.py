"""Why a transaction waits or would be refused: its nonce, its fee and its sender's balance against the chain's."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from cli.rpc_client import quantity
from cli.wallet.amounts import format_coins, format_gwei

Facts = Mapping[str, object]


class Fate(Enum):
    """What became of a transaction, or would."""

    MINED = "mined"
    WAITING = "waiting"
    """Nothing is in its way: it is in the next block if there is room."""
    HELD = "held"
    """Something must happen first; the reasons say what."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sender:
    """What the chain says of a transaction's sender."""

    mined_nonce: int
    """Nonce that the next transaction to be mined must have."""
    pool_nonce: int
    """Nonce after the last of its transactions that could be mined in a row."""
    balance: int


@dataclass(frozen=True, slots=True)
class Market:
    """What the next block takes."""

    base_fee: int
    chosen: tuple[str, ...]
    """Hashes of the transactions it would take now, in order."""


@dataclass(frozen=True, slots=True)
class Explained:
    """A fate and its reasons, each a sentence."""

    fate: Fate
    reasons: tuple[str, ...]


def explain_mined(receipt: Facts, head_height: int, finalized_height: int) -> Explained:
    """Return what became of a mined transaction."""
    height = quantity(receipt.get("blockNumber"))
    succeeded = quantity(receipt.get("status")) == 1
    price, used = quantity(receipt.get("effectiveGasPrice")), quantity(receipt.get("gasUsed"))
    depth = head_height - height + 1
    reasons = [
        f"it is transaction {quantity(receipt.get('transactionIndex'))} of block {height}, {depth} "
        f"{'block' if depth == 1 else 'blocks'} deep, {'final' if height <= finalized_height else 'not final yet'}",
        f"it {'succeeded' if succeeded else 'failed: its fee was paid, nothing else changed'}",
        f"it paid {format_coins(price * used)}: {used} gas at {format_gwei(price)}",
    ]
    if not succeeded:
        reasons.append("a call of the staking account was reverted: eth_call on the block before tells the reason")
    return Explained(Fate.MINED, tuple(reasons))


def explain_waiting(transaction: Facts, sender: Sender, market: Market, *, sent: bool) -> Explained:
    """Return why a transaction in the pool (`sent`), or one that the node does not have, is not mined."""
    nonce = quantity(transaction.get("nonce"))
    rival = not sent and sender.mined_nonce <= nonce < sender.pool_nonce
    held = [
        *(["another one of its nonce waits here: it must pay at least 10 % more than that"] if rival else []),
        *_nonce(nonce, sender),
        *_fee(transaction, market),
        *_funds(transaction, sender),
    ]
    if held:
        return Explained(Fate.HELD, tuple(held))
    reasons = [f"nonce {nonce}, fee and balance are in order at a base fee of {format_gwei(market.base_fee)}"]
    name = str(transaction.get("hash"))
    if name in market.chosen:
        reasons.append(f"it is number {market.chosen.index(name) + 1} of {len(market.chosen)} for the next block")
    elif market.chosen:
        reasons.append(
            f"the {len(market.chosen)} transactions for the next block pay better, or come before it by nonce"
        )
    return Explained(Fate.WAITING, tuple(reasons))


def explain_unknown() -> Explained:
    """Return what it means that a node does not know a transaction."""
    return Explained(
        Fate.UNKNOWN,
        (
            "neither the chain nor this node's pool has it: it was never sent here, was refused, was replaced by "
            "another of its nonce, or was dropped for better paying ones",
            "give the signed transaction itself (0x...) instead of its hash to see what stands in its way",
        ),
    )


def _nonce(nonce: int, sender: Sender) -> list[str]:
    if nonce < sender.mined_nonce:
        return [f"nonce too low: {nonce} was used, the next is {sender.mined_nonce}"]
    if nonce <= sender.pool_nonce:
        return []
    missing = f"nonce {sender.pool_nonce}"
    if nonce - sender.pool_nonce > 1:
        missing = f"nonces {sender.pool_nonce} to {nonce - 1}"
    return [f"nonce {nonce} waits for {missing} of the same account, which this node does not have"]


def _fee(transaction: Facts, market: Market) -> list[str]:
    fee = quantity(transaction.get("maxFeePerGas") or transaction.get("gasPrice"))
    if fee >= market.base_fee:
        return []
    return [
        f"its highest fee of {format_gwei(fee)} is under the base fee of {format_gwei(market.base_fee)}: it waits "
        "until that has fallen, or can be replaced at 10 % more"
    ]


def _funds(transaction: Facts, sender: Sender) -> list[str]:
    fee = quantity(transaction.get("maxFeePerGas") or transaction.get("gasPrice"))
    needed = quantity(transaction.get("value")) + fee * quantity(transaction.get("gas"))
    if needed <= sender.balance:
        return []
    return [
        f"insufficient funds: value and highest fee are {format_coins(needed)}, the account has "
        f"{format_coins(sender.balance)}"
    ]
