"""What the stakers of a devnet have won, counted from the headers as the chain grows."""

from collections import deque

from chain.params import ChainParams
from chain.primitives.units import Wei
from cli.devnet.plan import NodePlan
from cli.rpc_client import RpcClient, RpcRefused, RpcUnreachable, quantity
from cli.staking.keys import find_validator_key
from cli.staking.tally import Earned, fetch_heads, tally

SETTLED_DEPTH = 64
"""Blocks under the head that may still change are counted anew each time; a devnet reorganises a few at most."""

MAX_HEADS = 100_000
"""Blocks counted when the table starts on an old chain."""


class Earnings:
    """Counts for the table; asks node 0, from the table's thread."""

    def __init__(self, plans: tuple[NodePlan, ...], params: ChainParams) -> None:
        self._params = params
        self._client = RpcClient(plans[0].rpc_url, timeout_seconds=3.0)
        self._keys = {
            plan.index: "0x" + find_validator_key(plan.stake.key_file).public.hex()
            for plan in plans
            if plan.stake is not None
        }
        self._settled: dict[str, Earned] = {}
        self._settled_height = 0
        self._earned: dict[str, Earned] = {}

    def follow(self) -> None:
        """Count the blocks that came since the last call; keeps what it has while the node does not answer."""
        if not self._keys:
            return
        try:
            height = self._client.number("eth_blockNumber")
            count = min(height - self._settled_height, MAX_HEADS)
            heads = deque(reversed(fetch_heads(self._client, height, count)))
        except (RpcUnreachable, RpcRefused):
            return
        settled = []
        while heads and quantity(heads[0]["number"]) <= height - SETTLED_DEPTH:
            settled.append(heads.popleft())
        self._settled = _sum(self._settled, tally(settled, self._params))
        self._settled_height = max(self._settled_height, height - SETTLED_DEPTH)
        self._earned = _sum(self._settled, tally(heads, self._params))

    def of(self, plan: NodePlan) -> Earned | None:
        """Return what a node's tickets won, None if it does not stake."""
        key = self._keys.get(plan.index)
        return None if key is None else self._earned.get(key, Earned(0, Wei(0)))


def _sum(first: dict[str, Earned], second: dict[str, Earned]) -> dict[str, Earned]:
    nothing = Earned(0, Wei(0))
    pairs = {key: (first.get(key, nothing), second.get(key, nothing)) for key in first.keys() | second.keys()}
    return {key: Earned(one.won + two.won, Wei(one.minted + two.minted)) for key, (one, two) in pairs.items()}
