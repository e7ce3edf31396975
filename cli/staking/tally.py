"""What tickets have won and minted, recomputed from public headers by rule 9 of DESIGN section 5."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chain.fees import block_reward
from chain.params import ChainParams
from chain.primitives.units import Millis, Wei
from cli.rpc_client import RpcClient, as_list, as_object, integer, quantity

HEADS_PAGE = 256
"""Blocks asked for at once: the most that `mappemonde_heads` answers."""


@dataclass(frozen=True, slots=True)
class Earned:
    """The tickets of one validator."""

    won: int
    minted: Wei
    """Without their share of the tips."""


def fetch_heads(client: RpcClient, newest: int, count: int) -> list[dict[str, object]]:
    """Return the consensus facts of `count` blocks up to a height, newest first, block 0 left out."""
    found: list[dict[str, object]] = []
    oldest = max(1, newest - count + 1)
    while newest >= oldest:
        page = as_list(client.call("mappemonde_heads", min(HEADS_PAGE, newest - oldest + 1), hex(newest)))
        if not page:
            break
        found += [as_object(entry) for entry in page]
        newest -= len(page)
    return found


def tally(heads: Iterable[Mapping[str, object]], params: ChainParams) -> dict[str, Earned]:
    """Return what the tickets in these blocks earned, by validator key as the RPC writes it."""
    earned: dict[str, Earned] = {}
    for head in heads:
        ticket = head.get("ticket")
        if not isinstance(ticket, dict):
            continue
        handicap = Millis(integer(head["handicap"]))
        reward = block_reward(quantity(head["number"]), Wei(0), params, ticket_handicap=handicap).ticket_reward
        key = str(ticket["validatorKey"])
        before = earned.get(key, Earned(0, Wei(0)))
        earned[key] = Earned(before.won + 1, Wei(before.minted + reward))
    return earned
