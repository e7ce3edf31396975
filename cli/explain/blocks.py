"""Why a block is ripe when it is: rules 2, 3 and 5 of the consensus, worked out with its own numbers."""

from collections.abc import Mapping

from cli.rpc_client import RpcRefused, quantity
from cli.texts import seconds, when
from consensus.fixedpoint import log2_q16

Facts = Mapping[str, object]


def number_of(facts: Facts, name: str) -> int:
    """Return a JSON integer of an answer. Raises `RpcRefused` when it is none."""
    value = facts.get(name)
    if type(value) is not int:
        raise RpcRefused(0, f"the node answered {str(value)[:40]!r} for {name} where a number was expected")
    return value


def seal_bits(head: Facts) -> int:
    """Return by how many bits (Q16) the seal misses the target; below zero it beats it."""
    return log2_q16(quantity(head.get("pow")) + 1) - number_of(head, "logTarget")


def computed_time(head: Facts, chain: Facts) -> int:
    """Return the moment that rule 5 gives, ms: the node's own figure must be the same."""
    if head.get("minedAt") is not None:
        return number_of(head, "minedAt")
    by_hash = number_of(chain, "tau") * seal_bits(head) // 65536
    delay = number_of(chain, "blockTime") + by_hash + number_of(head, "handicap")
    return number_of(head, "parentTime") + max(number_of(chain, "minInterval"), delay)


def explain_block(head: Facts, chain: Facts) -> list[tuple[str, str]]:
    """Return the reasons as (name, text), in the order in which they add up.

    `head` is `mappemonde_head`'s answer, `chain` is `mappemonde_chain`'s. Raises `RpcRefused` when they are neither.
    """
    height = quantity(head.get("number"))
    if height == 0:
        return [("time", f"{when(head.get('time'))}: the genesis document says so")]
    target, bits = number_of(head, "logTarget"), seal_bits(head)
    lines = [
        ("parent", f"was ripe at {when(head.get('parentTime'))}"),
        ("target", f"2^{target / 65536:.2f}, of the schedule, for a mean of {seconds(chain.get('blockTime'))}"),
        ("seal", _seal(head, bits)),
        ("ticket", _ticket(head, height, chain)),
    ]
    if head.get("minedAt") is not None:
        lines.append(
            (
                "time",
                f"{when(head.get('minedAt'))}: no hash was good enough in {seconds(chain.get('gap'))}, so the block",
            )
        )
        lines.append(("", "states when it was mined (rule 5)"))
    else:
        lines += _arithmetic(head, chain, bits)
    if computed_time(head, chain) != number_of(head, "time"):
        lines.append(("", f"the node says {when(head.get('time'))}, which is not what the rule gives"))
    lines.append(("interval", f"{seconds(head.get('interval'))} after its parent"))
    lines.append(("schedule", _schedule(number_of(head, "scheduleError"))))
    return lines


def _seal(head: Facts, bits: int) -> str:
    zeros = 256 - quantity(head.get("pow")).bit_length()
    way = "misses" if bits > 0 else "beats"
    return f"{zeros} zero bits; {way} the target by {abs(bits) / 65536:.3f} bits"


def _ticket(head: Facts, height: int, chain: Facts) -> str:
    handicap = seconds(head.get("handicap"))
    ticket = head.get("ticket")
    if isinstance(ticket, dict):
        return f"of validator {str(ticket.get('validatorKey'))[:20]}..., handicap {handicap}"
    if height < number_of(chain, "stakeStart"):
        return f"none: they begin at block {number_of(chain, 'stakeStart')}"
    return f"none: handicap {handicap}"


def _arithmetic(head: Facts, chain: Facts, bits: int) -> list[tuple[str, str]]:
    tau, block_time, least = (number_of(chain, name) for name in ("tau", "blockTime", "minInterval"))
    handicap = number_of(head, "handicap")
    by_hash = tau * bits // 65536
    delay = block_time + by_hash + handicap
    lines = [
        (
            "delay",
            f"{seconds(block_time)} mean {by_hash / 1000:+.3f} s for the seal ({seconds(tau)} per bit) "
            f"{handicap / 1000:+.3f} s handicap = {delay / 1000:.3f} s",
        )
    ]
    if delay < least:
        lines.append(("", f"but never under {seconds(least)}"))
    lines.append(("time", when(computed_time(head, chain))))
    return lines


def _schedule(error: int) -> str:
    way = "late: the next target is easier" if error > 0 else "early: the next target is harder"
    return f"{seconds(abs(error))} {way}" if error else "on time"
