"""Thirty whole network stacks in one process over real aiortc links: every map becomes the truth (issue 4, point 7)."""

import asyncio
from collections.abc import Callable

import pytest

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import Validate
from tests.helpers.stacks import TOPIC, Network

NODES = 30

LINKS_LEAST = 6
"""Core own links: each stack has that many before maps are judged."""


async def until(condition: Callable[[], bool], seconds: float) -> None:
    """Run the loop until the condition holds; looked at rarely, for it reads thirty maps."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.5)


PATIENCE = Millis(60_000)
"""Thirty nodes share one loop here, which DTLS handshakes of others hold up for seconds."""


def reached(network: Network, start: PeerId) -> set[PeerId]:
    """Return the peers that links lead to from one."""
    around: dict[PeerId, set[PeerId]] = {stack.peer: set() for stack in network.stacks}
    for pair in network.truth():
        left, right = pair
        around[left].add(right)
        around[right].add(left)
    found, waiting = {start}, [start]
    while waiting:
        fresh = around[waiting.pop()] - found
        found |= fresh
        waiting += fresh
    return found


@pytest.mark.e2e
@pytest.mark.timeout(600)
async def test_thirty_stacks_over_real_links_know_exactly_their_network() -> None:
    async with Network(0) as network:
        for _ in range(NODES):
            stack = await network.add(PATIENCE)
            enough = min(LINKS_LEAST, len(network.stacks) - 1)
            await until(lambda stack=stack, enough=enough: len(stack.listed()) >= enough, 60)  # type: ignore[misc]

        def linked() -> bool:
            network.healthy()
            return all(len(stack.listed()) >= LINKS_LEAST for stack in network.stacks)

        def true() -> bool:
            network.healthy()
            truth = network.truth()
            return linked() and all(network.mapped(stack) == truth for stack in network.stacks)

        await until(linked, 240)
        await until(true, 180)
        first = network.stacks[0]
        assert reached(network, first.peer) == {stack.peer for stack in network.stacks}
        assert all(len(stack.driver.view()) == NODES for stack in network.stacks)
        assert max(len(stack.listed()) for stack in network.stacks) <= 24

        first.driver.publish(TOPIC.number, b"to all thirty")
        others = network.stacks[1:]
        await until(lambda: all(any(isinstance(e, Validate) for e in stack.effects) for stack in others), 30)
        network.healthy()
