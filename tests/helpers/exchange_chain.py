"""A small chain for the exchange's tests: the real encodings and roots under simple rules, no state.

The seal is SHA-256 of the header instead of Argon2id, the interval follows from it, and a body is valid unless it holds
a transaction of value FORBIDDEN.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

from chain.block import Block, ChainedHeader, Header, SealedHeader, encode_body, encode_header, header_id
from chain.genesis import load_genesis
from chain.ports import EpochStake
from chain.primitives.units import ZERO_ADDRESS, ZERO_HASH, Gas, Hash32, LogTarget, Millis, Wei
from chain.rules import InvalidBlock, Rule
from chain.transaction import SignedTransaction
from chain.trie import ordered_root
from chain.verified import ImportStatus, VerifiedBlock

PARAMS = load_genesis("devnet").params
T_MIN = Millis(6_000)
SPREAD = 12_000
"""Intervals lie between T_MIN and T_MIN + SPREAD ms."""
WORK = 1_000
FORBIDDEN = 666
NO_STAKE = EpochStake(ZERO_HASH, Wei(0), Wei(0), ZERO_HASH, {}, ZERO_HASH)


def seal_of(header: Header) -> int:
    """Return the true hash of a header."""
    return int.from_bytes(hashlib.sha256(encode_header(header)).digest(), "big")


class SmallRules:
    """`SealRules` of the small chain; counts what it was asked."""

    def __init__(self) -> None:
        self.seals_checked = 0

    def chain(self, sealed: SealedHeader, parent: ChainedHeader) -> ChainedHeader:
        """Check height and parent's time; weight and time follow from the claim."""
        header = sealed.header
        if header.height != parent.height + 1:
            raise InvalidBlock(Rule.HEIGHT, expected=parent.height + 1, got=header.height)
        if header.parent_time != parent.time:
            raise InvalidBlock(Rule.PARENT_TIME, expected=parent.time, got=header.parent_time)
        time = Millis(parent.time + T_MIN + (sealed.pow >> 240) * SPREAD // 65_536)
        return ChainedHeader(sealed, header_id(header), time, 0, LogTarget(0), WORK, parent.total_work + WORK)

    def check_stake(self, sealed: SealedHeader, stake: EpochStake) -> None:
        """Accept: tickets are not this chain's subject."""

    def check_seal(self, sealed: SealedHeader) -> None:
        """Check the claim."""
        self.seals_checked += 1
        if sealed.pow != seal_of(sealed.header):
            raise InvalidBlock(Rule.FALSE_CLAIM, got=sealed.pow)

    def schedule_work(self, chained: ChainedHeader) -> int:
        """Return the weight that any block has."""
        return WORK


def genesis_header(time: Millis = Millis(1_000_000)) -> ChainedHeader:
    """Return block 0, ripe at `time`."""
    header = Header(
        version=1,
        height=0,
        parent_id=ZERO_HASH,
        parent_time=Millis(0),
        parent_err=0,
        mined_at=Millis(0),
        miner=ZERO_ADDRESS,
        state_root=ZERO_HASH,
        transactions_root=ordered_root(()),
        receipts_root=ZERO_HASH,
        gas_used=Gas(0),
        base_fee=Wei(0),
        extra=b"",
        ticket_commitment=ZERO_HASH,
        handicap=Millis(0),
        mix=ZERO_HASH,
        stakes=ZERO_HASH,
        nonce=bytes(8),
    )
    return ChainedHeader(SealedHeader(header, seal_of(header), None), header_id(header), time, 0, LogTarget(0), 0, 0)


GENESIS = genesis_header()


def next_block(
    parent: ChainedHeader,
    transactions: Sequence[SignedTransaction] = (),
    *,
    extra: bytes = b"",
    nonce: int = 0,
    claim: int | None = None,
) -> Block:
    """Return a block after `parent`; `extra` and `nonce` tell siblings apart, `claim` replaces the true seal."""
    header = replace(
        GENESIS.header,
        height=parent.height + 1,
        parent_id=parent.id,
        parent_time=parent.time,
        transactions_root=ordered_root([signed.tx.raw for signed in transactions]),
        extra=extra,
        nonce=nonce.to_bytes(8, "big"),
    )
    sealed = SealedHeader(header, seal_of(header) if claim is None else claim, None)
    return Block(sealed, tuple(signed.tx for signed in transactions))


class SmallChain:
    """Store, importer and view of the small chain in one: a `BlockSource` and a `StakeSource`."""

    def __init__(self) -> None:
        self.rules = SmallRules()
        self._chained: dict[Hash32, ChainedHeader] = {GENESIS.id: GENESIS}
        self._bodies: dict[Hash32, bytes] = {GENESIS.id: encode_body(())}
        self._signed: dict[Hash32, tuple[SignedTransaction, ...]] = {GENESIS.id: ()}
        self._canonical: list[Hash32] = [GENESIS.id]
        self._unripe: list[ChainedHeader] = []
        self.applied: list[SignedTransaction] = []
        """Transactions of the last move of the head that joined the chain."""
        self.undone: list[SignedTransaction] = []
        self.floor = 0
        """Height below which states were removed."""

    def state_floor(self) -> int:
        """Return the height below which nothing can be judged."""
        return self.floor

    def head(self) -> ChainedHeader:
        """Return the adopted head."""
        return self._chained[self._canonical[-1]]

    def chained(self, block_id: Hash32) -> ChainedHeader | None:
        """Return an imported header."""
        return self._chained.get(block_id)

    def canonical_id(self, height: int) -> Hash32 | None:
        """Return the canonical block of a height."""
        return self._canonical[height] if 0 <= height < len(self._canonical) else None

    def body(self, block_id: Hash32) -> bytes | None:
        """Return an imported body."""
        return self._bodies.get(block_id)

    def epoch_stake(self, parent: ChainedHeader) -> EpochStake:
        """Return the stake snapshot: nobody has any."""
        assert parent.id in self._chained, "asked for imported parents only"
        assert parent.height >= self.floor, "its registry was removed"
        return NO_STAKE

    def add(self, block: VerifiedBlock, now: Millis) -> ImportStatus:
        """Import a block. Raises `InvalidBlock`."""
        block_id = header_id(block.sealed.header)
        if block_id in self._chained:
            return ImportStatus.KNOWN
        parent = self._chained.get(block.sealed.header.parent_id)
        if parent is None:
            return ImportStatus.ORPHAN
        if parent.height < self.floor:
            return ImportStatus.PRUNED
        if any(signed.tx.value == FORBIDDEN for signed in block.transactions):
            raise InvalidBlock(Rule.STATE_ROOT)
        chained = self.rules.chain(block.sealed, parent)
        self._chained[block_id] = chained
        self._bodies[block_id] = encode_body([signed.tx for signed in block.transactions])
        self._signed[block_id] = block.transactions
        if chained.time > now:
            self._unripe.append(chained)
            return ImportStatus.UNRIPE
        return ImportStatus.ADOPTED if self._consider(chained) else ImportStatus.SIDE

    def ripen(self, now: Millis) -> bool:
        """Adopt what is ripe; tell whether the head moved."""
        due = sorted((item for item in self._unripe if item.time <= now), key=lambda item: (item.time, item.sealed.pow))
        self._unripe = [item for item in self._unripe if item.time > now]
        moved = [self._consider(item) for item in due]
        return any(moved)

    def deadline(self) -> Millis | None:
        """Return when the next block ripens."""
        return min((item.time for item in self._unripe), default=None)

    def _consider(self, chained: ChainedHeader) -> bool:
        head = self.head()
        is_better_sibling = chained.header.parent_id == head.header.parent_id and (chained.time, chained.sealed.pow) < (
            head.time,
            head.sealed.pow,
        )
        if not is_better_sibling and chained.total_work <= head.total_work:
            return False
        path = [chained]
        while not self._is_canonical(path[-1]):
            path.append(self._chained[path[-1].header.parent_id])
        common = path.pop().height
        self.undone = [signed for block_id in self._canonical[common + 1 :] for signed in self._signed[block_id]]
        self.applied = [signed for item in reversed(path) for signed in self._signed[item.id]]
        del self._canonical[common + 1 :]
        self._canonical += [item.id for item in reversed(path)]
        return True

    def _is_canonical(self, chained: ChainedHeader) -> bool:
        return self.canonical_id(chained.height) == chained.id


def grow(chain: SmallChain, count: int, *, extra: bytes = b"", at: ChainedHeader | None = None) -> list[ChainedHeader]:
    """Import `count` empty blocks with true seals after `at` (the head by default), all of them ripe."""
    parent = chain.head() if at is None else at
    grown = []
    for _ in range(count):
        block = next_block(parent, extra=extra)
        chain.add(VerifiedBlock(block.sealed, (), parent.time), Millis(1 << 52))
        parent = chain.rules.chain(block.sealed, parent)
        grown.append(parent)
    return grown
