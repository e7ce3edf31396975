"""What the chain's head says in numbers, and the distribution of intervals as blocks come."""

from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Histogram

from chain.block import ChainedHeader
from chain.fees import next_base_fee
from chain.primitives.units import Millis, Wei
from chain.transaction import SignedTransaction
from net.core.effects import MapEvent
from net.rpc.metrics.exposition import PREFIX
from net.rpc.ports import ChainReader, NodeFacts

INTERVAL_BUCKETS = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.5, 2.0, 4.0)
"""Bounds in parts of T_BLOCK: the window of one to four minutes of mainnet is 0.5 to 2."""

LOG_ONE = 65_536
"""One bit of a Q16 logarithm."""


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """The head in numbers."""

    height: int
    safe_height: int
    finalized_height: int
    time: Millis
    interval: Millis | None
    """None for block 0."""
    handicap: Millis
    schedule_error: int
    log_target_bits: float
    base_fee: Wei
    """Of the next block."""
    gas_used_ratio: float
    syncing: bool


def chain_facts(chain: ChainReader, node: NodeFacts) -> ChainFacts:
    """Return the head in numbers."""
    head = chain.head()
    header = head.header
    return ChainFacts(
        height=head.height,
        safe_height=chain.safe().height,
        finalized_height=chain.finalized().height,
        time=head.time,
        interval=Millis(head.time - header.parent_time) if head.height else None,
        handicap=header.handicap,
        schedule_error=head.err,
        log_target_bits=head.log_target / LOG_ONE,
        base_fee=next_base_fee(header, node.params),
        gas_used_ratio=header.gas_used / node.params.gas_limit,
        syncing=node.sync() is not None,
    )


class ChainListener:
    """Fills histograms as blocks come; give it to `Events.listen`."""

    def __init__(self, registry: CollectorRegistry, block_time: Millis) -> None:
        seconds = block_time / 1000
        self._intervals = Histogram(
            f"{PREFIX}_chain_interval_seconds",
            "Time between adopted blocks and their parents since the node started.",
            buckets=tuple(round(part * seconds, 3) for part in INTERVAL_BUCKETS),
            registry=registry,
        )

    def heads(self, applied: tuple[ChainedHeader, ...], undone: tuple[ChainedHeader, ...]) -> None:
        """Take in the intervals of the blocks that joined the chain."""
        for block in applied:
            if block.height == 1:
                continue  # it waited for the launch: the sum would be of months for ever
            self._intervals.observe((block.time - block.header.parent_time) / 1000)

    def pending(self, signed: SignedTransaction) -> None:
        """Transactions are counted by the pool."""

    def map_event(self, event: MapEvent) -> None:
        """Links are counted by the mesh."""

    def work(self) -> None:
        """Work is counted by the miner."""
