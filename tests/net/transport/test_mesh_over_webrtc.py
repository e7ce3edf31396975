"""Five whole network stacks in one process, every link over aiortc on loopback: they form a mesh, and mend it."""

import logging

import pytest

from net.core.effects import LinkDown, LinkUp, Responded, Validate
from net.core.overlay.link import Signalled
from tests.helpers.stacks import TOPIC, Network
from tests.helpers.transport import until

NODES = 5


def meshed(network: Network) -> bool:
    """Whether every pair is linked, nobody has another link, and every map shows exactly that."""
    network.healthy()
    everyone = NODES * (NODES - 1) // 2
    return len(network.truth()) == everyone and all(
        network.mapped(stack) == network.truth() and len(stack.driver.neighbours()) == NODES - 1
        for stack in network.stacks
    )


@pytest.mark.slow
@pytest.mark.timeout(110)
async def test_five_nodes_form_a_mesh_and_mend_it_without_a_rendezvous(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with Network(NODES) as network:
        await until(lambda: meshed(network), 60)
        joiners = network.stacks[1:]

        # Each joiner asked the rendezvous for one link; all links that are up now were signalled over the mesh.
        for stack in network.stacks:
            statistics = stack.driver.statistics()
            assert statistics.mesh.links_rendezvous_own == (1 if stack in joiners else 0)
            assert {n.address for n in stack.driver.neighbours()} == {"127.0.0.1"}
        signalled = [n.signalled for stack in network.stacks for n in stack.driver.neighbours()]
        assert signalled.count(Signalled.RENDEZVOUS) <= 2 * len(joiners)
        hosted = sum(stack.driver.statistics().mesh.links_rendezvous for stack in network.stacks)
        assert hosted == 2 * len(joiners), "each such link is counted once at each end"

        # What is published reaches all once; a request is answered.
        network.stacks[3].driver.publish(TOPIC.number, b"to all")
        others = [stack for stack in network.stacks if stack is not network.stacks[3]]
        await until(lambda: all(any(isinstance(e, Validate) for e in stack.effects) for stack in others))
        assert all(sum(isinstance(e, Validate) for e in stack.effects) == 1 for stack in others)
        number = network.stacks[1].driver.request(network.stacks[4].peer, TOPIC.number, b"abc")
        answer = Responded(number, TOPIC.number, network.stacks[4].peer, b"cba")
        await until(lambda: answer in network.stacks[1].effects)

        # With every rendezvous closed, two nodes that lose their link find each other again over the mesh.
        for stack in network.stacks:
            await stack.driver.close_listeners()
        one, other = network.stacks[1], network.stacks[2]
        relayed = one.driver.statistics().mesh.links_relayed
        (number_of_link,) = [n.link for n in one.driver.neighbours() if n.peer == other.peer]
        attempt = one.driver._links._attempts[number_of_link]
        attempt.ended("lost: pulled by the test")
        await until(lambda: other.peer not in one.listed() and one.peer not in other.listed())
        await until(lambda: meshed(network), 60)
        assert one.driver.statistics().mesh.links_relayed == relayed + 1
        ups = [e for e in one.effects if isinstance(e, LinkUp | LinkDown) and e.peer == other.peer]
        assert isinstance(ups[-2], LinkDown)
        assert isinstance(ups[-1], LinkUp)
        assert not network.stacks[1].driver.statistics().rendezvous
    assert [record.getMessage() for record in caplog.records] == []
