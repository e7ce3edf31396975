"""Pages of the map: what the largest method on the event loop may cost."""

import asyncio
import json

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.rpc.methods.node import MAP_WEIGHT, YIELD_EVERY
from net.rpc.policy import RpcLimits
from net.rpc.ports import MapNode
from tests.helpers.rpc_world import Direct, World


async def test_a_page_of_the_map_is_bounded_gives_turns_and_counts_as_many_calls() -> None:
    world = World(RpcLimits(map_page=100))
    peers = [PeerId(number.to_bytes(32, "big")) for number in range(300)]
    world.network.nodes = [MapNode(peer, Millis(1), Millis(2), "public", 1) for peer in peers]
    direct = Direct(world)
    asked = asyncio.create_task(direct.record("mappemonde_map", None, 10**6))
    turns = 0
    while not asked.done():
        turns += 1
        await asyncio.sleep(0)
    page = await asked
    assert isinstance(page["nodes"], list)
    assert (len(page["nodes"]), page["next"]) == (100, peers[99].hex())
    assert turns > 100 // YIELD_EVERY
    nothing = await direct.record("mappemonde_map", None, 0)
    assert nothing["next"] == peers[0].hex(), "one at least: a page without end would cost the whole map"
    call = {"jsonrpc": "2.0", "id": 1, "method": "mappemonde_map"}
    assert direct.dispatcher.read(json.dumps(call).encode()).calls == MAP_WEIGHT
    assert direct.dispatcher.read(json.dumps([call, call, {}, 1, {"method": []}]).encode()).calls == 2 * MAP_WEIGHT + 3
