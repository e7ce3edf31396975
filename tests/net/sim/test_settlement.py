"""Networks that begin in the middle of their life: linked by the rules, of all ages, whole."""

from random import Random

from chain.primitives.units import Millis
from net.core.config import MeshConfig
from net.core.effects import LinkKind
from net.sim.arrays.rules import mainnet_rules
from net.sim.node import SimNode
from net.sim.scenarios import settled
from net.sim.scenarios.churn import SESSION, Population
from net.sim.settlement import Settlement
from net.sim.world import EPOCH, World

HOUR = Millis(3_600_000)
PEERS = 80


def test_every_slot_leads_where_its_hash_wants_it() -> None:
    world = World(5)
    nodes = [SimNode(world, MeshConfig(network_id=bytes(32), id_difficulty=1), []) for _ in range(PEERS)]
    ages = [HOUR // 2 if at < 10 else 5 * HOUR for at in range(PEERS)]
    settlement = Settlement(nodes, [Millis(age) for age in ages], Random(1))
    settlement.settle()
    own, rules = settlement.own, mainnet_rules()
    pairs = [frozenset((at, target)) for at in range(PEERS) for target in own[at].values()]
    assert len(set(pairs)) == len(pairs), "no two links between the same two"
    assert all(len(pair) == 2 for pair in pairs)
    inbound = [sum(at in slots.values() for slots in own) for at in range(PEERS)]
    for at, slots in enumerate(own):
        assert rules.own_core <= len(slots) <= (rules.own_young if ages[at] < HOUR else rules.own_max)
        assert inbound[at] <= rules.inbound
        assert len(slots) + inbound[at] <= rules.cap
    first = 0
    for node, slots in zip(nodes, own, strict=True):
        for slot, target in slots.items():
            best = node.mesh.parts.overlay.slots.best(slot, [one.peer for one in nodes if one is not node], 12)
            first += nodes[target].peer in best
    held = sum(len(slots) for slots in own)
    assert first > 0.8 * held, "few of the best had no room or too many common neighbours"


def test_a_settled_world_is_whole_and_signs_once() -> None:
    outcome, world = settled.run(40, 3)
    numbers = outcome.numbers
    assert numbers["maps_true_after_ms"] is not None
    assert int(numbers["maps_true_after_ms"]) <= 10_000
    assert numbers["pieces"] == 1
    assert numbers["reached"] == 1.0
    assert float(numbers["mean_recall"] or 0) > 0.99
    assert int(numbers["records_signed"] or 0) <= 40 * 1.5
    facts = [world.nodes[0].mesh.view().facts(node.peer) for node in world.nodes]
    ages = [EPOCH - fact.born for fact in facts if fact is not None]
    assert len(ages) == 40
    assert min(ages) >= 0
    assert max(ages) > SESSION, "ids are of all ages"
    for node in world.nodes:
        listed = [one for one in node.mesh.neighbours() if one.kind is LinkKind.LISTED]
        assert 6 <= len(listed) <= 24
    assert not any(text.endswith(("banned", "annoying", "silent")) for node in world.nodes for _, text in node.log)


def test_records_cross_a_settled_network_about_once() -> None:
    world = settled.begin(60, 2)
    world.run_for(20_000)
    Population(world, session=20 * 60_000)
    told = {node.index: node.mesh.statistics().gossip for node in world.nodes}
    world.run_for(120_000)
    stayed = [(told[node.index], node.mesh.statistics().gossip) for node in world.nodes[:60] if node.running]
    applied = sum(now.applied - then.applied for then, now in stayed)
    repeated = sum(now.repeated - then.repeated for then, now in stayed)
    assert applied > 1_000
    assert repeated < applied * 0.15, "more than a fifth where links found the tree by themselves; half at 250 peers"


def test_equal_seeds_settle_alike() -> None:
    worlds = [settled.begin(20, 4) for _ in range(2)]
    for world in worlds:
        world.run_for(5_000)
    assert worlds[0].digest == worlds[1].digest


def test_a_world_has_one_population() -> None:
    world = settled.begin(20, 6)
    earlier, later = Population(world, session=60_000), Population(world, session=60_000)
    world.run_for(60_000)
    assert earlier.left == 0
    assert 5 < later.left < 45, "20 expected: not the peers of two stories at once"
