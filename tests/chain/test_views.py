"""What readers see."""

from threading import Thread

import pytest

from chain.block import encode_body
from chain.importer import Importer
from chain.primitives.errors import StorageError
from chain.primitives.units import COIN, Hash32
from chain.views import ChainView
from storage import keys
from storage.chain_store import ChainStore
from storage.memory import MemoryStore
from tests.helpers.forge import INTERVAL, MINER, FakeRules, Forge
from tests.helpers.networks import FUNDED, RECEIVER, address_of, payment, small_genesis

GENESIS = small_genesis()


class Node:
    """An importer with a view, and a forge for its blocks."""

    def __init__(self) -> None:
        self.forge = Forge(GENESIS)
        self.memory = MemoryStore()
        store = ChainStore(self.memory)
        self.importer = Importer(GENESIS.params, GENESIS, store, FakeRules())
        self.view = ChainView(store, GENESIS.params, self.importer)


@pytest.fixture
def node() -> Node:
    return Node()


def test_a_block_is_seen_whole(node: Node) -> None:
    txs = (payment(GENESIS, 0, 0, value=5), payment(GENESIS, 1, 0, value=6))
    block = node.forge.block(node.forge.root, *txs)
    node.importer.add(block, block.arrived)
    view, head = node.view, node.view.head()
    assert view.header(head.id) is view.chained(head.id)
    assert view.header_at(1) == head
    assert view.header_at(2) is None
    assert view.header_at(-1) is None
    whole = view.block(head.id)
    assert whole is not None
    assert whole.sealed == block.sealed
    assert whole.transactions == tuple(signed.tx for signed in txs)
    assert view.body(head.id) == encode_body(whole.transactions)
    assert [receipt.succeeded for receipt in view.receipts(head)] == [True, True]
    place = view.place(txs[1].tx.hash)
    assert place is not None
    assert (place.block_id, place.index) == (head.id, 1)
    assert view.sender(txs[0].tx) == address_of(0)
    assert view.block(Hash32(b"?" * 32)) is None
    assert view.place(Hash32(b"?" * 32)) is None


def test_old_states_stay_readable_by_number(node: Node) -> None:
    parent = node.forge.root
    for nonce in range(3):
        block = node.forge.block(parent, payment(GENESIS, 0, nonce, value=10))
        node.importer.add(block, block.arrived)
        parent = node.forge.chained(block)
    balances = []
    for height in range(4):
        header = node.view.header_at(height)
        assert header is not None
        balances.append(node.view.state(header).balance(RECEIVER))
    assert balances == [0, 10, 20, 30]


def test_a_reader_cannot_change_the_state(node: Node) -> None:
    head = node.view.head()
    state = node.view.state(head)
    state.add_balance(RECEIVER, COIN)
    state.commit()
    assert node.view.state(head).balance(RECEIVER) == 0


def test_the_supply_is_that_of_the_branch(node: Node) -> None:
    block = node.forge.block(node.forge.root, payment(GENESIS, 0, 0))
    node.importer.add(block, block.arrived)
    side = node.forge.block(node.forge.root, interval=INTERVAL + 1)
    node.importer.add(side, side.arrived)
    supply = node.view.supply(node.view.head())
    assert supply.premine == FUNDED * 1000 * COIN
    assert (supply.subsidies, supply.ticket_rewards) == (50 * COIN, 0)
    assert supply.burnt == 21_000 * GENESIS.params.initial_base_fee
    assert supply.issued == FUNDED * 1000 * COIN + 50 * COIN
    assert node.view.supply(node.forge.chained(side)).burnt == 0
    state = node.view.state(node.view.head())
    accounts = (*(address_of(number) for number in range(FUNDED)), MINER, RECEIVER)
    assert sum(state.balance(address) for address in accounts) == supply.issued - supply.burnt


def test_safe_and_finalized_follow_the_head(node: Node) -> None:
    for block in node.forge.run(node.forge.root, 45):
        node.importer.add(block, block.arrived)
    assert (node.view.head().height, node.view.safe().height, node.view.finalized().height) == (45, 35, 25)


def test_damage_is_told_and_names_the_block(node: Node) -> None:
    block = node.forge.block(node.forge.root, payment(GENESIS, 0, 0))
    node.importer.add(block, block.arrived)
    head = node.view.head()
    for table, use in (
        (keys.BODIES, node.view.transactions),
        (keys.RECEIPTS, node.view.receipts),
        (keys.SUPPLY, node.view.supply),
    ):
        key = keys.block_key(table, head.id)
        for raw in (b"\xff damaged", None):
            node.memory.write({key: raw} if raw else {}, [key], durable=True)
            with pytest.raises(StorageError, match="damaged"):
                use(head)


def test_readers_on_other_threads_always_find_the_state_of_the_head(node: Node) -> None:
    failures: list[str] = []
    done = False

    def read() -> None:
        while not done:
            head = node.view.head()
            nonce = node.view.state(head).nonce(address_of(0))
            if nonce != head.height:
                failures.append(f"nonce {nonce} at height {head.height}")

    readers = [Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    parent = node.forge.root
    for nonce in range(30):
        block = node.forge.block(parent, payment(GENESIS, 0, nonce))
        node.importer.add(block, block.arrived)
        parent = node.forge.chained(block)
    done = True
    for reader in readers:
        reader.join()
    assert failures == []
