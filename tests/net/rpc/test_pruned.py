"""Methods over a database without its old states: a clear error where one was asked for, and all else as before."""

import pytest

from chain.block import ChainedHeader
from chain.primitives.units import Address
from chain.staking_registry import SYSTEM_ADDRESS
from net.rpc.kinds import BLOCK
from storage import prune as pruning
from storage.memory import MemoryStore
from storage.migrations import claim
from storage.prune import prune
from tests.helpers.forge import FakeRules
from tests.helpers.rpc_world import Direct, World
from tests.helpers.transactions import DEVNET_KEYS, address_of_key, sign

HEIGHT, KEEP = 12, 4
FLOOR = HEIGHT - KEEP
ALICE = "0x" + address_of_key(DEVNET_KEYS[0]).hex()
BOB = Address(b"\xb0" * 20)
SYSTEM = "0x" + SYSTEM_ADDRESS.hex()
SLOT = "0x" + "00" * 32

OF_A_STATE: dict[str, tuple[object, ...]] = {
    "eth_getBalance": (ALICE,),
    "eth_getTransactionCount": (ALICE,),
    "eth_getCode": (SYSTEM,),
    "eth_getStorageAt": (SYSTEM, SLOT),
    "eth_getProof": (SYSTEM, [SLOT]),
    "eth_call": ({"to": SYSTEM, "data": "0x8b0e9f3f"},),
    "eth_estimateGas": ({"from": ALICE, "to": "0x" + BOB.hex(), "value": "0x1"},),
    "mappemonde_supply": (),
}
"""Methods that open the state after a block, with what stands before the block in their parameters."""
OF_A_BLOCK: dict[str, tuple[object, ...]] = {
    "eth_feeHistory": (2,),
    "eth_getBlockByNumber": (),
    "eth_getBlockReceipts": (),
    "eth_getBlockTransactionCountByNumber": (),
    "eth_getTransactionByBlockNumberAndIndex": (),
    "eth_getUncleCountByBlockNumber": (),
    "mappemonde_head": (),
    "mappemonde_heads": (3,),
}
"""Methods that take a block and read no state."""


class LightRules(FakeRules):
    """Blocks that weigh so little that all but the head is final."""

    def schedule_work(self, block: ChainedHeader) -> int:
        return 0


@pytest.fixture
def pruned(monkeypatch: pytest.MonkeyPatch) -> Direct:
    """A node over a chain of HEIGHT blocks with a payment each, whose states below FLOOR were removed."""
    monkeypatch.setattr(pruning, "KEEP_MIN", KEEP)
    store = MemoryStore()
    world = World(store=store)
    for height in range(HEIGHT):
        payment = sign(DEVNET_KEYS[0], to=BOB, nonce=height, value=1, max_fee=10**11)
        world.pool.add(payment, world.now, local=True)
        world.mine(miner=Address((height + 1).to_bytes(20, "big")))
    stored = MemoryStore()
    claim(stored, world.params.network_id, world.params.name)
    stored.write(dict(store.iterate(b"")), durable=True)
    done = prune(stored, world.params, LightRules(), keep=KEEP, dry_run=False, progress=lambda _text: None)
    assert (done.state_floor, done.head_height) == (FLOOR, HEIGHT)
    return Direct(World(store=stored))


def test_every_method_that_takes_a_block_is_looked_at(pruned: Direct) -> None:
    taking = {method.name for method in pruned.registry.all() if any(param.kind is BLOCK for param in method.params)}
    assert taking == OF_A_STATE.keys() | OF_A_BLOCK.keys()


@pytest.mark.parametrize("method", OF_A_STATE)
async def test_a_removed_state_is_told_as_libraries_know_it(pruned: Direct, method: str) -> None:
    before = OF_A_STATE[method]
    header = await pruned.record("mappemonde_head", "0x3")
    for block in ("0x3", hex(FLOOR - 1), header["hash"], {"blockHash": header["hash"]}):
        code, message = await pruned.error(method, *before, block)
        assert code == -32000
        assert "missing trie node" in message
        assert "historical state is not available" in message
    for block in (hex(FLOOR), "latest", "finalized", "earliest"):
        assert await pruned.result(method, *before, block) is not None
    assert pruned.dispatcher.statistics().faults == 0


@pytest.mark.parametrize("method", OF_A_BLOCK)
async def test_what_needs_no_state_is_answered_for_every_block(pruned: Direct, method: str) -> None:
    before = OF_A_BLOCK[method]
    after = {
        "eth_feeHistory": ([50],),
        "eth_getBlockByNumber": (True,),
        "eth_getTransactionByBlockNumberAndIndex": ("0x0",),
    }.get(method, ())
    for block in ("0x1", "0x3", hex(FLOOR), "latest"):
        assert await pruned.result(method, *before, block, *after) is not None


async def test_whatever_else_reads_states_reads_kept_ones(pruned: Direct) -> None:
    assert (await pruned.record("mappemonde_status"))["head"]
    assert (await pruned.record("mappemonde_validators"))["number"] == hex(HEIGHT)
    assert (await pruned.record("mappemonde_validator", ALICE))["number"] == hex(HEIGHT)
    logs = await pruned.result("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"})
    assert logs == []
