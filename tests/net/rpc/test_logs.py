"""What a search for logs may cost, the second time as the first."""

import pytest

from net.rpc.policy import RpcLimits
from tests.helpers.rpc_world import Direct, World
from tests.helpers.transactions import DEVNET_KEYS, sign
from tests.net.rpc.test_methods import BOB, deposit, send

EVERYTHING = {"fromBlock": "0x0", "toBlock": "latest"}


async def test_blocks_without_logs_are_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    direct = Direct(world)
    await send(direct, sign(DEVNET_KEYS[0], to=BOB))
    world.mine()
    loaded: list[object] = []
    monkeypatch.setattr(direct.services.blocks, "load", loaded.append)
    for _ in range(2):
        assert await direct.result("eth_getLogs", EVERYTHING) == []
    assert loaded == []


async def test_what_is_remembered_of_a_block_does_not_make_loading_it_free() -> None:
    world = World(RpcLimits(log_receipts=1))
    direct = Direct(world)
    await send(direct, sign(DEVNET_KEYS[1], to=BOB))
    await send(direct, deposit())
    world.mine()
    for _ in range(2):
        assert (await direct.error("eth_getLogs", EVERYTHING))[0] == -32005
