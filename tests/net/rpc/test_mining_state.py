from chain.primitives.units import Hash32
from net.rpc.ports import Work
from tests.helpers.rpc_world import Direct, World


async def test_mining_is_told_with_its_workers() -> None:
    found = await Direct(World()).record("mappemonde_mining")
    assert (found["state"], found["number"], found["hashRate"], found["workersHashRate"]) == ("holding", "0x7", 20, 512)
    assert found["workers"] == [
        {"name": "rig 1", "shares": 3, "blocks": 1, "stale": 0, "refused": 2, "lastSeen": 40, "hashRate": 512.0}
    ]


async def test_a_node_without_a_reward_address_says_so() -> None:
    world = World()
    object.__setattr__(world.parts, "mining", None)
    direct = Direct(world)
    assert await direct.result("mappemonde_mining") is None
    assert (await direct.record("mappemonde_status"))["hashRate"] is None
    assert "without a reward address" in (await direct.error("mappemonde_getWork"))[1]


async def test_a_miner_is_told_to_rest_when_nothing_is_left_to_find() -> None:
    world = World()
    old: Work = world.new_work(1)
    world.mining.work = None
    direct = Direct(world)
    assert await direct.result("mappemonde_getWork", "0x" + Hash32(old.id).hex()) is None
