"""Fee advice for slow blocks, and the history of fees.

Wallets that do not know a chain pay `eth_gasPrice` whole: MetaMask sets both the cap and the tip to it, Rabby sends
legacy transactions at up to 1.25 times it (shared/WALLET_RPC.md). So the price must still be above the base fee when
some full blocks have raised it, and all that it has above the base fee is paid. Hence: few blocks of room while blocks
have room themselves, more the longer the queue; and a tip only as high as the competition makes it. docs/rpc.md tells
the reasoning with figures.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from chain.block import ChainedHeader
from chain.fees import next_base_fee
from chain.params import ChainParams
from chain.primitives.units import GWEI, Hash32, Millis, Wei
from chain.receipt import Receipt
from chain.transaction import Transaction
from net.rpc.blocks import Blocks
from net.rpc.encoding import Json, quantity
from net.rpc.errors import failed, limited
from net.rpc.objects import Object, effective_price
from net.rpc.policy import RpcLimits
from net.rpc.ports import ChainReader, PoolReader

FULL_BLOCKS_MIN = 2
"""Full blocks whose rise of the base fee the price covers though nobody waits: 27 % above the next base fee. One block
may be full of transactions that this node does not know, and the wallet's user needs a while to confirm."""

FULL_BLOCKS_MAX = 6
"""The same at most: 2.03 times the next base fee, the room that wallets of Ethereum leave. Twelve minutes."""

TIP_FLOOR = Wei(10_000_000)
"""Tip advised when blocks have room: 0.01 gwei, one percent of the smallest base fee; miners take any they relay."""

TIP_MAX = Wei(500 * GWEI)
"""The highest tip ever advised: somebody's mistake must not become everybody's price."""

RECENT_BLOCKS = 8
"""Blocks whose cheapest included tip is looked at: a quarter of an hour."""

FULL_ENOUGH = (19, 20)
"""A block that used this part of its gas limit was full: what was left out had paid less."""

FRESH_FOR = Millis(2_000)
"""Advice is kept this long for one head: it costs a pass over the pool."""

WAITING_BLOCK = 1
"""Index of the coming block in which advice wants a place: the second, since the next may be nearly found."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What a transaction should offer now."""

    price: Wei
    """Price per gas for those who give one number."""
    tip: Wei
    """Tip per gas for those who give two."""
    base_fee: Wei
    """Base fee of the next block."""


class FeeAdvisor:
    """Advises fees from recent blocks and the pool. Used from the event loop's thread."""

    def __init__(
        self, blocks: Blocks, pool: PoolReader, params: ChainParams, *, clock: Callable[[], Millis], min_tip: Wei
    ) -> None:
        self._blocks = blocks
        self._pool = pool
        self._params = params
        self._clock = clock
        self._floor = max(TIP_FLOOR, min_tip)
        self._advice: Advice | None = None
        self._for_head: Hash32 | None = None
        self._until = Millis(0)
        self._marginal: dict[Hash32, Wei] = {}

    def needed(self) -> list[ChainedHeader]:
        """Return the full recent blocks whose tips are not known yet: they must be read and learnt first."""
        return [chained for chained in self._recent() if chained.id not in self._marginal]

    def _recent(self) -> list[ChainedHeader]:
        """Return the full ones among the last blocks."""
        head = self._blocks.chain.head()
        heights = range(head.height, max(head.height - RECENT_BLOCKS, 0), -1)
        found = (self._blocks.chain.header_at(height) for height in heights)
        return [chained for chained in found if chained is not None and self.is_full(chained.header.gas_used)]

    def is_full(self, gas_used: int) -> bool:
        """Tell whether a block had no room left for an ordinary transaction."""
        part, whole = FULL_ENOUGH
        return gas_used * whole >= self._params.gas_limit * part

    def learn(self, block_id: Hash32, lowest_tip: Wei) -> None:
        """Take in the cheapest tip of a full block."""
        self._marginal[block_id] = lowest_tip
        while len(self._marginal) > 4 * RECENT_BLOCKS:
            del self._marginal[next(iter(self._marginal))]

    def advise(self) -> Advice:
        """Return the advice of this moment; what `needed` names should have been learnt."""
        now = self._clock()
        head = self._blocks.chain.head()
        if self._advice is None or head.id != self._for_head or now >= self._until:
            self._advice = self._make()
            self._for_head, self._until = head.id, Millis(now + FRESH_FOR)
        return self._advice

    def _make(self) -> Advice:
        head = self._blocks.chain.head()
        base_fee = next_base_fee(head.header, self._params)
        waiting = self._pool.fee_statistics(base_fee)
        tip = self.tip(waiting.tips)
        return Advice(Wei(self.covering(base_fee, waiting.pending_gas) + tip), tip, base_fee)

    def covering(self, base_fee: Wei, pending_gas: int) -> Wei:
        """Return the base fee after as many full blocks as the pool could fill, within the bounds above."""
        full_blocks = min(FULL_BLOCKS_MIN + pending_gas // self._params.gas_limit, FULL_BLOCKS_MAX)
        denominator = self._params.base_fee_denominator
        for _ in range(full_blocks):
            base_fee = Wei(base_fee + max(base_fee // denominator, 1))
        return base_fee

    def tip(self, waiting_tips: Sequence[Wei]) -> Wei:
        """Return the tip that gets into the second block to come.

        The competition is what waits in the pool and what was left out of recent *full* blocks. The tips of blocks with
        room say nothing: there every wallet that trusted our price paid its whole margin as tip, and advice that
        followed these tips would raise them without end.
        """
        known = [self._marginal.get(block.id, Wei(0)) for block in self._recent()]
        # blocks with room count as zero; the median forgets a burst when half of the blocks have room again
        recent = sorted([*known, *([Wei(0)] * (RECENT_BLOCKS - len(known)))])[RECENT_BLOCKS // 2]
        waiting = waiting_tips[WAITING_BLOCK] if len(waiting_tips) > WAITING_BLOCK else Wei(0)
        competition = max(recent, waiting)
        # one part in a hundred above the last one that gets in, so that it is this one that waits
        return min(max(self._floor, Wei(competition + competition // 100)), TIP_MAX)

    @property
    def floor(self) -> Wei:
        """The tip advised when there is no competition."""
        return self._floor


def lowest_tip(chain: ChainReader, chained: ChainedHeader) -> Wei:
    """Return the cheapest tip of a block; for worker threads."""
    base_fee = chained.header.base_fee
    return Wei(min((effective_price(tx, base_fee) - base_fee for tx in chain.transactions(chained)), default=0))


def rewards(
    transactions: Sequence[Transaction], receipts: Sequence[Receipt], base_fee: Wei, percentiles: Sequence[float]
) -> list[Json]:
    """Return the tips at percentiles of a block's gas, ascending by tip (execution-apis)."""
    used = [0, *(receipt.cumulative_gas_used for receipt in receipts)]
    tips = sorted(
        (effective_price(tx, base_fee) - base_fee, after - before)
        for tx, (before, after) in zip(transactions, pairwise(used), strict=True)
    )
    result: list[Json] = []
    index, gas = 0, tips[0][1]
    for percentile in percentiles:
        threshold = used[-1] * percentile / 100
        while gas < threshold and index < len(tips) - 1:
            index += 1
            gas += tips[index][1]
        result.append(quantity(tips[index][0]))
    return result


class FeeHistory:
    """Answers `eth_feeHistory`; for worker threads."""

    def __init__(self, chain: ChainReader, params: ChainParams, limits: RpcLimits, *, empty_reward: Wei) -> None:
        self._chain = chain
        self._params = params
        self._limits = limits
        self._empty_reward = empty_reward

    def history(self, count: int, newest: int, percentiles: Sequence[float] | None) -> Object:
        """Return the fees of up to `count` blocks up to height `newest`, and the base fee of the one after.

        Raises `RpcError` when none of them is on the chain any more, or when percentiles are asked of more
        transactions than one call may read.
        """
        if count == 0:
            return {"oldestBlock": "0x0", "baseFeePerGas": [], "gasUsedRatio": []}
        oldest = max(newest - count + 1, 0)
        found = (self._chain.header_at(height) for height in range(oldest, newest + 1))
        headers = [chained for chained in found if chained is not None]
        if not headers:
            raise failed("header not found")
        fees: list[Json] = [quantity(chained.header.base_fee) for chained in headers]
        fees.append(quantity(next_base_fee(headers[-1].header, self._params)))
        result: Object = {
            "oldestBlock": quantity(oldest),
            "baseFeePerGas": fees,
            "gasUsedRatio": [chained.header.gas_used / self._params.gas_limit for chained in headers],
        }
        if percentiles:
            result["reward"] = self._rewards(headers, percentiles)
        return result

    def _rewards(self, headers: Sequence[ChainedHeader], percentiles: Sequence[float]) -> list[list[Json]]:
        """Return the rewards by block.

        An empty block says the tip that would have been enough: wallets make their tip of these figures, and one of
        zero is relayed by nobody.
        """
        result: list[list[Json]] = []
        read = 0
        for chained in headers:
            if not chained.header.gas_used:
                result.append([quantity(self._empty_reward) for _ in percentiles])
                continue
            transactions = self._chain.transactions(chained)
            read += len(transactions)
            if read > self._limits.fee_history_transactions:
                raise limited("these blocks have too many transactions, ask for fewer blocks at once")
            receipts = self._chain.receipts(chained)
            result.append(rewards(transactions, receipts, chained.header.base_fee, percentiles))
        return result
