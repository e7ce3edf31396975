"""What the methods share, built once from the parts and the policy."""

from collections.abc import Callable
from dataclasses import dataclass

from chain.params import ChainParams
from chain.primitives.units import Millis
from net.rpc.blocks import Blocks
from net.rpc.chain_facts import work_json
from net.rpc.encoding import Json
from net.rpc.feed import Feed
from net.rpc.fees import FeeAdvisor, FeeHistory
from net.rpc.filters import FilterTable
from net.rpc.logs import LogScanner
from net.rpc.policy import RpcLimits, RpcPolicy
from net.rpc.ports import RpcParts
from net.rpc.workers import Workers


@dataclass(frozen=True, slots=True)
class Services:
    """Everything a method may use."""

    parts: RpcParts
    params: ChainParams
    limits: RpcLimits
    blocks: Blocks
    workers: Workers
    filters: FilterTable
    feed: Feed
    scanner: LogScanner
    advisor: FeeAdvisor
    fee_history: FeeHistory
    clock: Callable[[], Millis]


def make_services(
    parts: RpcParts, policy: RpcPolicy, *, clock: Callable[[], Millis], entropy: Callable[[int], bytes]
) -> Services:
    """Wire the services together."""
    limits, params = policy.limits, parts.node.params
    blocks = Blocks(parts.chain)
    workers = Workers(limits.workers, queue=limits.worker_queue)
    filters = FilterTable(limits, entropy=entropy)
    advisor = FeeAdvisor(blocks, parts.pool, params, clock=clock, min_tip=policy.min_tip)

    def work() -> Json:
        return None if parts.mining is None else work_json(parts.mining.current())

    return Services(
        parts=parts,
        params=params,
        limits=limits,
        blocks=blocks,
        workers=workers,
        filters=filters,
        feed=Feed(blocks, filters, workers, params, limits, work=work),
        scanner=LogScanner(blocks, limits),
        advisor=advisor,
        fee_history=FeeHistory(parts.chain, params, limits, empty_reward=advisor.floor),
        clock=clock,
    )
