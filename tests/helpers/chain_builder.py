"""Valid blocks on a real chain, sealed and executed; `broken` breaks exactly one thing of one.

Blocks stand under devnet's parameters unless another genesis is given. Times are the chain's own, from its genesis
time on: tests pass `chained.time` or later as `now`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from coincurve import PrivateKey

from chain.block import Block, ChainedHeader, Header, SealedHeader, encode_header
from chain.execution import Execution, verify_block
from chain.genesis import Genesis, load_genesis
from chain.ports import EpochStake
from chain.primitives.units import ZERO_ADDRESS, ZERO_HASH, Address, Hash32, Millis
from chain.staking_snapshot import snapshot
from chain.state import State
from chain.transaction import SignedTransaction
from chain.verified import VerifiedBlock
from consensus import vrf
from consensus.miner import Candidate
from consensus.rules import ConsensusRules
from consensus.seal import seal_hash
from consensus.template import build_candidate
from consensus.ticket import Draw, build_ticket, claimed_draw, ticket_alpha


class MemoryNodes(dict[Hash32, bytes]):
    """Trie nodes in memory: a `chain.ports.NodeReader`."""

    def trie_node(self, node_hash: Hash32) -> bytes | None:
        """Return a node, None if it is not here."""
        return self.get(node_hash)


@dataclass(frozen=True, slots=True)
class Built:
    """A valid block and all that follows from it."""

    chained: ChainedHeader
    transactions: tuple[SignedTransaction, ...]
    execution: Execution

    @property
    def block(self) -> Block:
        """The block as it travels."""
        return Block(self.chained.sealed, tuple(signed.tx for signed in self.transactions))

    def verified(self, arrived: Millis | None = None) -> VerifiedBlock:
        """Return what the importer takes; it arrived when it was ripe unless the test says otherwise."""
        return VerifiedBlock(self.chained.sealed, self.transactions, self.chained.time if arrived is None else arrived)


class ChainBuilder:
    """Builds branches from genesis; keeps every block and the state after it."""

    def __init__(self, genesis: Genesis | None = None) -> None:
        self.genesis = load_genesis("devnet") if genesis is None else genesis
        self.params = self.genesis.params
        self.rules = ConsensusRules(self.params)
        self.nodes = MemoryNodes(self.genesis.trie_nodes)
        self._blocks: dict[Hash32, ChainedHeader] = {self.genesis.chained.id: self.genesis.chained}

    @property
    def root(self) -> ChainedHeader:
        """Block 0."""
        return self.genesis.chained

    def state(self, at: ChainedHeader) -> State:
        """Return the state after a block."""
        return State(self.nodes, at.header.state_root)

    def ancestor(self, block: ChainedHeader, height: int) -> ChainedHeader:
        """Return the ancestor of a height."""
        while block.height > height:
            block = self._blocks[block.header.parent_id]
        return block

    def stake_after(self, parent: ChainedHeader) -> EpochStake:
        """Return what the block after `parent` is judged against."""
        length = self.params.epoch_length
        epoch = self.params.epoch(parent.height + 1)
        seed = self.ancestor(parent, (epoch - 1) * length - 1).header.mix if epoch >= 2 else ZERO_HASH
        found = snapshot(self.state(self.ancestor(parent, max(0, (epoch - 2) * length - 1))))
        return EpochStake(seed, found.total, found.issued, found.root, found.stakes, found.commitment)

    def draw(self, parent: ChainedHeader, validator: PrivateKey, reward_address: Address) -> Draw:
        """Return a validator's ticket for the block after `parent`. Raises `InvalidBlock` if it is not valid there."""
        stake = self.stake_after(parent)
        ticket = build_ticket(
            self.params,
            key=validator,
            proof=vrf.prove(validator, ticket_alpha(stake.seed, parent.height + 1)),
            parent=parent,
            reward_address=reward_address,
            auxiliary=bytes(32),
        )
        return claimed_draw(self.params, ticket, height=parent.height + 1, stake=stake)

    def extend(
        self,
        parent: ChainedHeader | None = None,
        transactions: Sequence[SignedTransaction] = (),
        *,
        miner: Address = ZERO_ADDRESS,
        draw: Draw | None = None,
        extra: bytes = b"",
        mined_at: Millis = Millis(0),
    ) -> Built:
        """Return a valid block on `parent`, block 0 by default, with just these transactions.

        `extra` tells siblings apart. The nonce is 0: on devnet every hash passes the seal floor.
        """
        above = self.root if parent is None else parent
        candidate = self._candidate(above, transactions, miner, draw, extra)
        header = replace(candidate.header, mined_at=mined_at)
        sealed = self._seal(header, candidate)
        chained = self.rules.chain(sealed, above)
        self.rules.check_stake(sealed, self.stake_after(above))
        done = verify_block(self.state(above), above.header, sealed, transactions, self.params)
        self.nodes.update(done.trie_nodes)
        self._blocks[chained.id] = chained
        return Built(chained, tuple(transactions), done)

    def chain(self, count: int, parent: ChainedHeader | None = None, *, extra: bytes = b"") -> list[Built]:
        """Return a branch of empty blocks."""
        built: list[Built] = []
        for _ in range(count):
            built.append(self.extend(parent, extra=extra))
            parent = built[-1].chained
        return built

    def broken(
        self,
        munge: Callable[[Header], Header],
        parent: ChainedHeader | None = None,
        transactions: Sequence[SignedTransaction] = (),
        *,
        miner: Address = ZERO_ADDRESS,
        draw: Draw | None = None,
    ) -> VerifiedBlock:
        """Return what `extend` would, but for one thing that `munge` breaks in the header; the seal is true."""
        above = self.root if parent is None else parent
        candidate = self._candidate(above, transactions, miner, draw, b"")
        return VerifiedBlock(self._seal(munge(candidate.header), candidate), tuple(transactions), above.time)

    def _candidate(
        self,
        parent: ChainedHeader,
        transactions: Sequence[SignedTransaction],
        miner: Address,
        draw: Draw | None,
        extra: bytes,
    ) -> Candidate:
        candidate = build_candidate(
            self.params,
            parent=parent,
            state=self.state(parent),
            stake=self.stake_after(parent),
            draw=draw,
            pending=transactions,
            miner=miner,
            extra=extra,
        )
        assert len(candidate.transactions) == len(transactions), "a transaction cannot be executed here"
        return candidate

    def _seal(self, header: Header, candidate: Candidate) -> SealedHeader:
        return SealedHeader(header, seal_hash(self.params, encode_header(header)), candidate.ticket)
