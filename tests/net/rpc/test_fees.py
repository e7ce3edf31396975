"""Fee advice: enough to get in within a few blocks, no spiral, no overpaying on an empty chain."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.fees import next_base_fee
from chain.mempool.statistics import FeeStatistics
from chain.primitives.units import GWEI, Gas, Millis, Wei
from chain.receipt import make_receipt
from chain.transaction import SignedTransaction, TxType
from net.rpc.blocks import Blocks
from net.rpc.errors import RpcError
from net.rpc.fees import FULL_BLOCKS_MAX, TIP_FLOOR, TIP_MAX, FeeAdvisor, rewards
from net.rpc.policy import RpcLimits
from tests.helpers.rpc_world import Direct, World
from tests.helpers.transactions import DEVNET_KEYS, sign
from tests.net.rpc.test_methods import BOB, send


class Waiting:
    """A pool in which so much gas waits at such tips."""

    def __init__(self, gas: int = 0, tips: tuple[int, ...] = (0, 0, 0, 0, 0)) -> None:
        self.gas, self.tips, self.asked = gas, tips, 0

    def fee_statistics(self, base_fee: Wei) -> FeeStatistics:
        self.asked += 1
        return FeeStatistics(base_fee, 0, Gas(self.gas), tuple(Wei(tip) for tip in self.tips))


def advisor(world: World, pool: Waiting, *, min_tip: int = 1) -> FeeAdvisor:
    return FeeAdvisor(Blocks(world.view), pool, world.params, clock=world.clock, min_tip=Wei(min_tip))  # type: ignore[arg-type]


def base_fee_after(world: World, full_blocks: int) -> Wei:
    header = replace(world.view.head().header, gas_used=Gas(world.params.gas_limit))
    fee = next_base_fee(world.view.head().header, world.params)
    for _ in range(full_blocks):
        fee = next_base_fee(replace(header, base_fee=fee), world.params)
    return fee


def test_on_an_empty_chain_the_price_covers_two_full_blocks() -> None:
    world = World()
    advice = advisor(world, Waiting()).advise()
    assert advice.tip == TIP_FLOOR
    assert advice.price == base_fee_after(world, 2) + TIP_FLOOR
    assert advice.price < 1.28 * GWEI


@pytest.mark.parametrize(("blocks", "covered"), [(0, 2), (1, 3), (3, 5), (4, 6), (50, 6)])
def test_the_longer_the_queue_the_more_room(blocks: int, covered: int) -> None:
    world = World()
    pool = Waiting(gas=blocks * world.params.gas_limit)
    assert advisor(world, pool).advise().price == base_fee_after(world, covered) + TIP_FLOOR
    assert covered <= FULL_BLOCKS_MAX


def test_the_tip_beats_the_competition_for_the_second_block() -> None:
    world = World()
    tips = (9 * GWEI, 5 * GWEI, 0, 0, 0)
    assert advisor(world, Waiting(tips=tips)).advise().tip == 5 * GWEI + 5 * GWEI // 100
    assert advisor(world, Waiting(tips=(10**15,) * 5)).advise().tip == TIP_MAX
    assert advisor(world, Waiting(), min_tip=2 * TIP_FLOOR).advise().tip == 2 * TIP_FLOOR


def test_advice_is_kept_for_a_moment_and_renewed_with_the_head() -> None:
    world = World()
    pool = Waiting()
    advice = advisor(world, pool)
    for _ in range(5):
        advice.advise()
    assert pool.asked == 1
    world.now = Millis(world.now + 2_000)
    advice.advise()
    assert pool.asked == 2
    world.mine()
    advice.advise()
    assert pool.asked == 3


async def test_tips_of_blocks_with_room_do_not_spiral() -> None:
    """Every user trusts eth_gasPrice and pays its whole margin as tip: the price must not rise from that."""
    world = World()
    direct = Direct(world)
    prices = []
    for nonce in range(12):
        price = await direct.result("eth_gasPrice")
        assert isinstance(price, str)
        prices.append(int(price, 16))
        await send(direct, sign(DEVNET_KEYS[0], to=BOB, nonce=nonce, max_fee=prices[-1], tip=prices[-1]))
        world.mine()
    assert len(set(prices)) == 1
    assert await direct.result("eth_maxPriorityFeePerGas") == hex(TIP_FLOOR)


def test_full_blocks_teach_their_cheapest_tip_and_are_forgotten() -> None:
    world = World()
    found = advisor(world, Waiting())
    assert not found.is_full(world.params.gas_limit * 94 // 100)
    assert found.is_full(world.params.gas_limit * 95 // 100)
    for number in range(100):
        found.learn(world.builder.root.id[:-1] + bytes([number]), Wei(number))  # type: ignore[arg-type]
    assert len(found._marginal) == 32


async def test_history() -> None:
    world = World()
    direct = Direct(world)
    for nonce in range(3):
        if nonce != 1:
            await send(direct, sign(DEVNET_KEYS[0], to=BOB, nonce=nonce // 2, max_fee=9 * GWEI, tip=2 * GWEI))
        world.mine()
    history = await direct.record("eth_feeHistory", 2, "latest", [0, 50.5, 100])
    assert history["oldestBlock"] == "0x2"
    fees, ratios = history["baseFeePerGas"], history["gasUsedRatio"]
    assert isinstance(fees, list)
    assert isinstance(ratios, list)
    assert len(fees) == 3
    assert ratios == [0, 21_000 / 120_000_000]
    assert history["reward"] == [[hex(TIP_FLOOR)] * 3, [hex(2 * GWEI)] * 3]
    assert "reward" not in await direct.record("eth_feeHistory", "0x2", "latest", [])
    assert "reward" not in await direct.record("eth_feeHistory", "0x2", "0x1")
    assert (await direct.record("eth_feeHistory", 5000, "latest"))["oldestBlock"] == "0x0"
    assert await direct.record("eth_feeHistory", 0, "latest") == {
        "oldestBlock": "0x0",
        "baseFeePerGas": [],
        "gasUsedRatio": [],
    }
    for bad in ([50, 20], [-1], [101], ["50"], [True], 5):
        assert (await direct.error("eth_feeHistory", 2, "latest", bad))[0] == -32602
    assert (await direct.error("eth_feeHistory", 2, "0x99"))[0] == -32000


async def test_history_reads_a_bounded_number_of_transactions() -> None:
    world = World(RpcLimits(fee_history_transactions=0))
    direct = Direct(world)
    await send(direct, sign(DEVNET_KEYS[0], to=BOB))
    world.mine()
    assert (await direct.error("eth_feeHistory", 2, "latest", [50]))[0] == -32005


PAID = st.lists(st.tuples(st.integers(0, 50), st.integers(21_000, 10**6)), min_size=1, max_size=12)


@given(PAID, st.lists(st.floats(0, 100), min_size=1, max_size=5).map(sorted))
def test_rewards_are_percentiles_of_gas(paid: list[tuple[int, int]], percentiles: list[float]) -> None:
    template: SignedTransaction = sign(DEVNET_KEYS[0], to=BOB)
    base_fee, used = Wei(10), 0
    transactions, receipts = [], []
    for tip, gas in paid:
        used += gas
        transactions.append(replace(template.tx, max_fee=Wei(1000), max_priority_fee=Wei(tip)))
        receipts.append(make_receipt(TxType.DYNAMIC_FEE, succeeded=True, cumulative_gas_used=Gas(used)))
    got = [int(str(text), 16) for text in rewards(transactions, receipts, base_fee, percentiles)]
    assert got == sorted(got)
    for percentile, tip in zip(percentiles, got, strict=True):
        below = sum(gas for other, gas in paid if other < tip)
        upto = sum(gas for other, gas in paid if other <= tip)
        assert below <= used * percentile / 100 or tip == min(other for other, _ in paid)
        assert upto >= used * percentile / 100 - 1e-6


def test_a_history_that_begins_above_the_head() -> None:
    # the newest block may be named by hash and stand beside the chain, or be undone between two reads
    history = World().services().fee_history
    with pytest.raises(RpcError, match="header not found"):
        history.history(1, 7, None)
    assert len(history.history(8, 7, None)["baseFeePerGas"]) == 2  # type: ignore[arg-type]
