"""A chain builder: makes valid blocks on any parent, on any branch, and breaks exactly one thing where asked.

`FakeRules` stand in for consensus where a test wants to choose times and weights; `Forge` takes any `SealRules` with a
`Sealing` that knows how to satisfy them.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from chain.block import NONCE_BYTES, ChainedHeader, Header, SealedHeader, Ticket, encode_body, header_id
from chain.epochs import EpochStakes
from chain.execution import BlockFacts, execute_block
from chain.fees import next_base_fee
from chain.genesis import Genesis
from chain.judge import genesis_block
from chain.ports import EpochStake, HeadMove, SealRules, StoredBlock, Supply
from chain.primitives.hashing import sha256
from chain.primitives.units import ZERO_HASH, Address, Hash32, LogTarget, Millis, Wei
from chain.receipt import encode_receipts
from chain.rules import InvalidBlock, Rule
from chain.state import State
from chain.transaction import SignedTransaction
from chain.verified import VerifiedBlock
from storage.chain_store import ChainStore
from storage.memory import MemoryStore

INTERVAL = 12_000
WORK = 100
MINER = Address(b"\x99" * 20)


class FakeRules:
    """`SealRules` in which the claimed hash states weight and interval: (work << 32) | interval in ms."""

    def chain(self, sealed: SealedHeader, parent: ChainedHeader) -> ChainedHeader:
        header = sealed.header
        if header.version != 1:
            raise InvalidBlock(Rule.VERSION, expected=1, got=header.version)
        if header.height != parent.height + 1:
            raise InvalidBlock(Rule.HEIGHT, expected=parent.height + 1, got=header.height)
        if header.parent_time != parent.time:
            raise InvalidBlock(Rule.PARENT_TIME, expected=parent.time, got=header.parent_time)
        if header.mix != fake_mix(parent):
            raise InvalidBlock(Rule.BAD_MIX)
        if sealed.ticket is not None:
            raise InvalidBlock(Rule.TICKET_COMMITMENT)
        work = sealed.pow >> 32
        time = Millis(parent.time + (sealed.pow & 0xFFFFFFFF))
        return ChainedHeader(sealed, header_id(header), time, 0, LogTarget(0), work, parent.total_work + work)

    def check_stake(self, sealed: SealedHeader, stake: EpochStake) -> None:
        if sealed.header.stakes != stake.commitment:
            raise InvalidBlock(Rule.BAD_STAKES, expected=stake.commitment, got=sealed.header.stakes)

    def check_seal(self, sealed: SealedHeader) -> None:
        """Every claim is true here."""

    def schedule_work(self, block: ChainedHeader) -> int:
        return WORK


def fake_mix(parent: ChainedHeader) -> Hash32:
    """Return the mix that `FakeRules` want after a parent."""
    return sha256(b"mix" + parent.header.mix)


class Sealing(Protocol):
    """How a header is made to satisfy some rules."""

    def prepare(self, header: Header, parent: ChainedHeader) -> Header:
        """Fill in what consensus wants of a header: mix, handicap."""

    def seal(self, header: Header, *, interval: int, work: int) -> tuple[Header, int]:
        """Return the header, its nonce maybe turned, and the hash to claim."""


class FakeSealing:
    """For `FakeRules`: any interval and weight."""

    def prepare(self, header: Header, parent: ChainedHeader) -> Header:
        return replace(header, mix=fake_mix(parent))

    def seal(self, header: Header, *, interval: int, work: int) -> tuple[Header, int]:
        claim = work << 32 | interval
        return replace(header, nonce=claim.to_bytes(NONCE_BYTES, "big")), claim  # the hash depends on the header


class Forge:
    """Makes blocks; remembers the state of each, so that any can be a parent."""

    def __init__(self, genesis: Genesis, rules: SealRules | None = None, sealing: Sealing | None = None) -> None:
        self.genesis = genesis
        self.rules: SealRules = rules or FakeRules()
        self._sealing: Sealing = sealing or FakeSealing()
        self._store = ChainStore(MemoryStore())
        first = genesis_block(genesis)
        self._store.commit(first, HeadMove((), (first.chained.id,), first.chained.id))
        self._stakes = EpochStakes(genesis.params, self._store)

    @property
    def root(self) -> ChainedHeader:
        """Block 0."""
        return self.genesis.chained

    def block(
        self,
        parent: ChainedHeader,
        *transactions: SignedTransaction,
        interval: int = INTERVAL,
        work: int = WORK,
        extra: bytes = b"",
        lag: int = 0,
        munge: Callable[[Header], Header] | None = None,
        ticket: Ticket | None = None,
    ) -> VerifiedBlock:
        """Return a block after `parent`, which arrives `lag` ms after its time.

        `munge` changes the header before it is sealed; everything else then stays that of the valid block.
        """
        header, stored = self._execute(parent, transactions, extra)
        header, pow_hash = self._sealing.seal(munge(header) if munge else header, interval=interval, work=work)
        sealed = SealedHeader(header, pow_hash, ticket)
        if munge is None and ticket is None:
            chained = self.rules.chain(sealed, parent)
            self._store.commit(replace(stored, chained=chained), None)
            return VerifiedBlock(sealed, transactions, Millis(chained.time + lag))
        return VerifiedBlock(sealed, transactions, Millis(parent.time + interval + lag))

    def chained(self, block: VerifiedBlock) -> ChainedHeader:
        """Return a valid block of this forge in its place."""
        found = self._store.chained(header_id(block.sealed.header))
        assert found is not None, "only valid blocks can be parents"
        return found

    def run(
        self, parent: ChainedHeader, count: int, *, extra: bytes = b"", interval: int = INTERVAL, work: int = WORK
    ) -> list[VerifiedBlock]:
        """Return a branch of empty blocks."""
        blocks: list[VerifiedBlock] = []
        for _ in range(count):
            blocks.append(self.block(parent, extra=extra, interval=interval, work=work))
            parent = self.chained(blocks[-1])
        return blocks

    def _execute(
        self, parent: ChainedHeader, transactions: tuple[SignedTransaction, ...], extra: bytes
    ) -> tuple[Header, StoredBlock]:
        params = self.genesis.params
        base_fee = next_base_fee(parent.header, params)
        facts = BlockFacts(parent.height + 1, MINER, base_fee, None)
        done = execute_block(State(self._store, parent.header.state_root), facts, transactions, params)
        header = Header(
            version=1,
            height=parent.height + 1,
            parent_id=parent.id,
            parent_time=parent.time,
            parent_err=parent.err,
            mined_at=Millis(0),
            miner=MINER,
            state_root=done.state_root,
            transactions_root=done.transactions_root,
            receipts_root=done.receipts_root,
            gas_used=done.gas_used,
            base_fee=base_fee,
            extra=extra,
            ticket_commitment=ZERO_HASH,
            handicap=Millis(0),
            mix=ZERO_HASH,
            stakes=self._stakes.after(parent).commitment,
            nonce=bytes(NONCE_BYTES),
        )
        stored = StoredBlock(
            chained=parent,  # replaced once the header is sealed
            body=encode_body([signed.tx for signed in transactions]),
            receipts=encode_receipts(done.receipts),
            trie_nodes=done.trie_nodes,
            transaction_hashes=tuple(signed.tx.hash for signed in transactions),
            supply=Supply(Wei(0), Wei(0), Wei(0), Wei(0)),
        )
        return self._sealing.prepare(header, parent), stored
