"""Trees of blocks: a canonical chain with side branches of any depth, stored as a node stores them."""

from random import Random

from chain.block import ChainedHeader, header_id
from chain.genesis import Genesis
from chain.importer import Importer
from chain.primitives.units import COIN, Hash32, Millis
from chain.state import State, decode_account
from chain.trie_nodes import EMPTY_ROOT, Branch, Extension, Leaf, Link, decode_node
from chain.verified import VerifiedBlock
from storage import keys
from storage.chain_store import ChainStore
from storage.kv import KeyValueStore
from storage.migrations import claim
from tests.helpers.forge import FakeRules, Forge
from tests.helpers.networks import FUNDED, address_of, payment
from tests.helpers.stakes import deposit

LATER = Millis(1 << 52)
"""A moment at which every block of a test is ripe."""


class Tree:
    """Blocks by a forge that remembers all states, and the same blocks in stores that may forget some."""

    def __init__(self, genesis: Genesis) -> None:
        self.genesis = genesis
        self.forge = Forge(genesis)
        self.blocks: list[VerifiedBlock] = []
        """In the order in which they are imported; a parent stands before its children."""
        self._staked: set[int] = set()

    @property
    def root(self) -> ChainedHeader:
        """Block 0."""
        return self.forge.root

    def grow(
        self, parent: ChainedHeader, *, sender: int = 0, extra: bytes = b"", stakes: bool = False
    ) -> ChainedHeader:
        """Add a block with a payment to a fresh account, or a deposit."""
        state = State(self.forge._store, parent.header.state_root)
        nonce = state.nonce(address_of(sender))
        to = address_of(1_000 + len(self.blocks))
        if stakes:
            signed = deposit(self.genesis, sender, nonce, value=COIN)
        else:
            signed = payment(self.genesis, sender, nonce, to=to, value=len(self.blocks) + 1)
        block = self.forge.block(parent, signed, extra=extra)
        self.blocks.append(block)
        return self.forge.chained(block)

    def chain(self, parent: ChainedHeader, count: int, *, sender: int = 0, extra: bytes = b"") -> list[ChainedHeader]:
        """Add a branch."""
        grown: list[ChainedHeader] = []
        for _ in range(count):
            parent = self.grow(parent, sender=sender, extra=extra)
            grown.append(parent)
        return grown

    def random(self, rng: Random, count: int) -> None:
        """Add blocks of which most extend the tip, and some any block that there is."""
        tip = self.root
        placed = [self.root]
        for number in range(count):
            parent = tip if rng.random() < 0.8 else rng.choice(placed[-25:])
            sender = rng.randrange(FUNDED)
            above = self.grow(parent, sender=sender, extra=number.to_bytes(4, "big"), stakes=rng.random() < 0.1)
            placed.append(above)
            if above.height > tip.height:
                tip = above

    def open(self, store: KeyValueStore) -> tuple[Importer, ChainStore]:
        """Return the node over a store."""
        chain = ChainStore(store)
        return Importer(self.genesis.params, self.genesis, chain, FakeRules()), chain

    def fill(self, store: KeyValueStore) -> None:
        """Import all blocks into an empty store."""
        claim(store, self.genesis.params.network_id, self.genesis.params.name)
        importer, _ = self.open(store)
        for block in self.blocks:
            importer.add(block, LATER)

    def stored(self, store: KeyValueStore) -> list[ChainedHeader]:
        """Return the blocks in a store, by height."""
        found = [self._chained(Hash32(key[1:])) for key, _ in store.iterate(keys.HEADERS.prefix)]
        return sorted(found, key=lambda block: (block.height, block.id))

    def ancestor(self, block: ChainedHeader, height: int) -> ChainedHeader:
        """Return the ancestor of a height on the block's own branch."""
        while block.height > height:
            block = self._chained(block.header.parent_id)
        return block

    def needed(self, store: KeyValueStore, floor: int) -> set[bytes]:
        """Return the nodes that blocks on any stored block from the floor on are judged by, found the plain way."""
        params = self.genesis.params
        roots = {self.root.header.state_root}
        for block in self.stored(store):
            if block.height < floor:
                continue
            roots.add(block.header.state_root)
            for epoch in range(params.epoch(block.height + 1) - 2, params.epoch(block.height + 1) + 1):
                source = self.ancestor(block, max(0, epoch * params.epoch_length - 1))
                roots.add(source.header.state_root)
        nodes: set[bytes] = set()
        for root in roots:
            self._reach(root, nodes, accounts=True)
        return nodes

    def reached(self, block: ChainedHeader) -> set[bytes]:
        """Return the nodes of a block's state."""
        nodes: set[bytes] = set()
        self._reach(block.header.state_root, nodes, accounts=True)
        return nodes

    def child_of(self, parent: ChainedHeader) -> VerifiedBlock:
        """Return one more block, which `fill` does not know."""
        return self.forge.block(parent, extra=b"child")

    def _chained(self, block_id: Hash32) -> ChainedHeader:
        found = self.forge._store.chained(block_id)
        assert found is not None
        return found

    def _reach(self, link: Link, nodes: set[bytes], *, accounts: bool) -> None:
        if link is None or link == EMPTY_ROOT:
            return
        if isinstance(link, bytes):
            raw = self.forge._store.trie_node(Hash32(link))
            assert raw is not None
            nodes.add(link)
            link = decode_node(raw)
        if isinstance(link, Branch):
            for child in link.children:
                self._reach(child, nodes, accounts=accounts)
        elif isinstance(link, Extension):
            self._reach(link.child, nodes, accounts=accounts)
        elif accounts:
            assert isinstance(link, Leaf)
            self._reach(decode_account(link.value).storage_root, nodes, accounts=False)


def id_of(block: VerifiedBlock) -> Hash32:
    """Return a block's id."""
    return header_id(block.sealed.header)
