"""What to pay."""

from itertools import pairwise

from chain.primitives.units import Wei
from net.rpc.encoding import Json, quantity
from net.rpc.errors import invalid_params
from net.rpc.fees import Advice, lowest_tip
from net.rpc.kinds import BLOCK, COUNT, PERCENTILE, QUANTITY_SCHEMA, Selector, list_kind
from net.rpc.methods.results import FEE_HISTORY
from net.rpc.registry import Method, Param, Where
from net.rpc.services import Services


def fee_methods(services: Services) -> list[Method]:
    """Return the methods of fee advice."""

    async def advice() -> Advice:
        advisor = services.advisor
        for block in advisor.needed():
            tip: Wei = await services.workers.run(lowest_tip, services.parts.chain, block)
            advisor.learn(block.id, tip)
        return advisor.advise()

    async def gas_price() -> Json:
        return quantity((await advice()).price)

    async def priority_fee() -> Json:
        return quantity((await advice()).tip)

    def history(count: int, selector: Selector, percentiles: tuple[float, ...]) -> Json:
        if any(low > high for low, high in pairwise(percentiles)):
            raise invalid_params("invalid reward percentile: percentiles must rise")
        newest = services.blocks.require(selector)
        return services.fee_history.history(
            min(count, services.limits.fee_history_blocks), newest.height, percentiles or None
        )

    percentiles = list_kind("Percentiles", PERCENTILE, services.limits.fee_percentiles)
    return [
        Method(
            "eth_gasPrice",
            "Price per gas that gets in within a few blocks: covers the base fee of full blocks to come, and a tip",
            (),
            QUANTITY_SCHEMA,
            gas_price,
            Where.WAIT,
        ),
        Method(
            "eth_maxPriorityFeePerGas",
            "Tip per gas that gets into the second block to come",
            (),
            QUANTITY_SCHEMA,
            priority_fee,
            Where.WAIT,
        ),
        Method(
            "eth_feeHistory",
            "Base fees, fullness and tips of past blocks, and the base fee of the next",
            (
                Param("blockCount", COUNT),
                Param("newestBlock", BLOCK),
                Param("rewardPercentiles", percentiles, ()),
            ),
            FEE_HISTORY,
            history,
            Where.WORKER,
        ),
    ]
