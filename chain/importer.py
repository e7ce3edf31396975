"""The one writer of the chain: takes verified blocks, executes them, stores them, and moves the head.

Every call ends in at most one atomic batch per block, and the head in memory changes after the batch is on disk: a
crash at any instruction leaves the last complete block. `add` and `ripen` belong to the importer's thread; all other
methods may be called from any.
"""

from collections import deque
from dataclasses import dataclass

from chain.block import ChainedHeader, header_id
from chain.branches import Branches
from chain.epochs import EpochStakes
from chain.fork_choice import Candidate, HeadMarks, choose, late_limit, marks
from chain.genesis import Genesis
from chain.judge import Judge, belongs_together, genesis_block
from chain.orphans import Orphans
from chain.params import ChainParams
from chain.ports import ChainStore, EpochStake, HeadMove, SealRules, StoredBlock
from chain.primitives.errors import StorageError
from chain.primitives.units import Hash32, Millis
from chain.recent_bodies import RecentBodies
from chain.reorganisation import plan
from chain.rules import InvalidBlock, Rule
from chain.verified import ChainedBlock, ImportResult, ImportStatus, Rejected, VerifiedBlock

KNOWN_INVALID_MAX = 1024
"""Ids of invalid blocks remembered, so that they and their children cost nothing; oldest forgotten first."""

DEEP_REORGANISATION = 20
"""Blocks undone at once from which a reorganisation is an alarm (DESIGN section 5)."""

RELOAD_DEPTH = 8
"""Heights below the head whose stored side blocks become candidates again after a restart."""


@dataclass(frozen=True, slots=True)
class ImporterStatistics:
    """Counters since the start, and what is held now."""

    imported: int = 0
    """Blocks executed and stored."""
    invalid: int = 0
    dropped: int = 0
    """Blocks too far ahead, or beaten by two unripe siblings."""
    head_moves: int = 0
    reorganisations: int = 0
    """Moves of the head that undid a block."""
    deepest_reorganisation: int = 0
    """Most blocks undone by one move."""
    deep_reorganisations: int = 0
    """Moves that undid over DEEP_REORGANISATION blocks: an alarm."""
    ripe: int = 0
    """Recent ripe blocks of all branches that the fork choice compares."""
    unripe: int = 0
    """Blocks executed and stored that wait for their time."""
    orphans: int = 0


class Importer:
    """Validates, stores and adopts blocks over one store."""

    def __init__(self, params: ChainParams, genesis: Genesis, store: ChainStore, rules: SealRules) -> None:
        """Open the chain in the store, begun with genesis if the store is empty.

        Raises `StorageError` when the store holds another chain or lacks the blocks of its own head.
        """
        self._params = params
        self._store = store
        self._rules = rules
        self._late = late_limit(params)
        self._stakes = EpochStakes(params, store)
        self._judge = Judge(params, store, rules, self._stakes)
        self._branches = Branches()
        self._orphans = Orphans()
        self._bodies = RecentBodies(params, store)
        self._invalid: dict[Hash32, Rule] = {}
        self._now = Millis(0)
        self._imported = self._failed = self._dropped = 0
        self._moves = self._reorganisations = self._deepest = self._deep = 0
        if store.head_id() is None:
            block = genesis_block(genesis)
            store.commit(block, HeadMove((), (block.chained.id,), block.chained.id))
        self._marks = self._marks_of(self._load_head(genesis.chained))
        self._reload()

    def head(self) -> ChainedHeader:
        """Return the canonical head; its state is readable from the moment this returns it."""
        return self._marks.head

    def marks(self) -> HeadMarks:
        """Return head, safe and finalized block in one consistent record."""
        return self._marks

    def epoch_stake(self, parent: ChainedHeader) -> EpochStake:
        """Return what the block after `parent`, a stored block, is judged against."""
        return self._stakes.after(parent)

    def unripe_children(self, parent_id: Hash32) -> tuple[ChainedHeader, ...]:
        """Return the known unripe blocks on a parent, best first: what may be mined on early (rule 5)."""
        return self._branches.unripe_children(parent_id)

    def statistics(self) -> ImporterStatistics:
        """Return the counters."""
        ripe, unripe = self._branches.counts
        return ImporterStatistics(
            imported=self._imported,
            invalid=self._failed,
            dropped=self._dropped,
            head_moves=self._moves,
            reorganisations=self._reorganisations,
            deepest_reorganisation=self._deepest,
            deep_reorganisations=self._deep,
            ripe=ripe,
            unripe=unripe,
            orphans=len(self._orphans),
        )

    def deadline(self) -> Millis | None:
        """Return when the next block ripens: when `ripen` is to be called."""
        return self._branches.deadline()

    def ripen(self, now: Millis) -> ImportResult:
        """Adopt what has become ripe. Its blocks are executed and stored already, so this is one small batch."""
        self._set_clock(now)
        before = self.head()
        self._settle(None)
        return self._result(None, before)

    def add(self, block: VerifiedBlock, now: Millis) -> ImportResult:
        """Import a block whose seal and senders were checked by the caller, and the orphans that waited for it.

        Raises `InvalidBlock` when it breaks a rule, then nothing has changed; and `StorageError`.
        """
        self._set_clock(now)
        before = self.head()
        status = self._take(block)
        if status is ImportStatus.ORPHAN:
            missing = self._orphans.missing_ancestor(block.sealed.header.parent_id)
            return ImportResult(status, None, (), (), missing_parent=missing)
        if status in (ImportStatus.KNOWN, ImportStatus.DROPPED, ImportStatus.PRUNED):
            return ImportResult(status, None, (), ())
        block_id = header_id(block.sealed.header)
        connected, rejected = self._connect(block_id)
        return self._result(self._status_of(block_id), before, connected, rejected)

    def _set_clock(self, now: Millis) -> None:
        # Also back: until the time is agreed on, the mesh clock is this machine's and may be hours ahead. A block once
        # ripe stays ripe all the same, since `Branches` never makes one unripe.
        self._now = now

    def _take(self, block: VerifiedBlock) -> ImportStatus:
        """Judge, store and, if it leads, adopt one block."""
        header = block.sealed.header
        block_id = header_id(header)
        if block_id in self._branches or self._store.canonical_id(header.height) == block_id:
            return ImportStatus.KNOWN
        self._refuse_known_invalid(block_id, header.parent_id)
        parent = self._store.chained(header.parent_id)
        if parent is None:
            return ImportStatus.ORPHAN if self._orphans.put(block, self._now) else ImportStatus.DROPPED
        stored: StoredBlock | None = None
        chained = self._store.chained(block_id)  # there if it was stored before a restart, or is long off our branch
        try:
            if chained is None:
                chained = self._judge.place(block, parent)
                if parent.height < self._store.state_floor():
                    # Not tried: what an interrupted `prune` has left may suffice for this block alone, and its own
                    # state would have holes.
                    return ImportStatus.PRUNED
                if self._branches.has_room(chained, self._now):
                    stored = self._judge.execute(block, chained, parent)
        except InvalidBlock as error:
            self._remember_invalid(block_id, block, error)
            raise
        if not self._branches.has_room(chained, self._now):
            self._dropped += 1
            return ImportStatus.DROPPED
        self._bodies.put(block_id, block.transactions)
        self._branches.add(Candidate(chained, block.arrived), self._now)
        try:
            self._settle(stored)
        except StorageError:
            self._branches.discard(block_id)
            raise
        return self._status_of(block_id)

    def _connect(self, parent_id: Hash32) -> tuple[tuple[Hash32, ...], tuple[Rejected, ...]]:
        """Take up the orphans that waited for a block, and those that waited for them."""
        connected: list[Hash32] = []
        rejected: list[Rejected] = []
        parents = deque([parent_id])
        while parents:
            for orphan in self._orphans.take_children(parents.popleft()):
                orphan_id = header_id(orphan.sealed.header)
                try:
                    status = self._take(orphan)
                except InvalidBlock as error:
                    rejected.append(Rejected(orphan_id, error))
                    parents.append(orphan_id)  # its children are refused in their turn
                    continue
                if status not in (ImportStatus.DROPPED, ImportStatus.PRUNED):
                    connected.append(orphan_id)
                    parents.append(orphan_id)
        return tuple(connected), tuple(rejected)

    def _settle(self, stored: StoredBlock | None) -> None:
        """Let the fork choice speak, and write a new block and a change of the head in one batch."""
        # Here alone, where the fork choice follows: a call that ends before it must leave `deadline` as it was, or what
        # it had made ripe would wait for the next block.
        self._branches.ripen(self._now)
        head = self.head()
        current = self._branches.candidate(head.id) or Candidate(head, None)
        chosen = choose(current, self._branches.ripe(), self._late).chained
        move = None if chosen.id == head.id else plan(head, chosen, self._parent_of)
        if stored is not None or move is not None:
            self._store.commit(stored, move)
        if stored is not None:
            self._imported += 1
        if move is not None:
            # Read here and not on the thread that asks first: 30 µs per validator, when an epoch begins.
            self._stakes.after(chosen)
            self._marks = self._marks_of(chosen)
            self._branches.prune(chosen)
            self._count_move(len(move.undo))

    def _count_move(self, depth: int) -> None:
        self._moves += 1
        self._reorganisations += depth > 0
        self._deepest = max(self._deepest, depth)
        self._deep += depth > DEEP_REORGANISATION

    def _status_of(self, block_id: Hash32) -> ImportStatus:
        chained = self._require(block_id)
        if self._store.canonical_id(chained.height) == block_id:
            return ImportStatus.ADOPTED
        return ImportStatus.UNRIPE if chained.time > self._now else ImportStatus.SIDE

    def _result(
        self,
        status: ImportStatus | None,
        before: ChainedHeader,
        connected: tuple[Hash32, ...] = (),
        rejected: tuple[Rejected, ...] = (),
    ) -> ImportResult:
        head = self.head()
        if head.id == before.id:
            return ImportResult(status, None, (), (), connected=connected, rejected=rejected)
        move = plan(before, head, self._parent_of)
        return ImportResult(
            status,
            move,
            tuple(self._chained_block(block_id) for block_id in move.apply),
            tuple(self._chained_block(block_id) for block_id in move.undo),
            connected=connected,
            rejected=rejected,
        )

    def _chained_block(self, block_id: Hash32) -> ChainedBlock:
        return ChainedBlock(self._require(block_id), self._bodies.get(block_id))

    def _refuse_known_invalid(self, block_id: Hash32, parent_id: Hash32) -> None:
        rule = self._invalid.get(block_id)
        if rule is None and parent_id in self._invalid:
            rule = Rule.INVALID_PARENT
            self._mark_invalid(block_id, rule)
        if rule is not None:
            raise InvalidBlock(rule, detail="known")

    def _remember_invalid(self, block_id: Hash32, block: VerifiedBlock, error: InvalidBlock) -> None:
        self._failed += 1
        # Body and ticket travel beside the header: with a wrong one, the id of an honest block must not be spoilt.
        if belongs_together(block):
            self._mark_invalid(block_id, error.rule)

    def _mark_invalid(self, block_id: Hash32, rule: Rule) -> None:
        self._invalid[block_id] = rule
        if len(self._invalid) > KNOWN_INVALID_MAX:
            del self._invalid[next(iter(self._invalid))]

    def _marks_of(self, head: ChainedHeader) -> HeadMarks:
        return marks(self._params, head, self._rules.schedule_work(head), self._parent_of)

    def _parent_of(self, block: ChainedHeader) -> ChainedHeader:
        return self._require(block.header.parent_id)

    def _require(self, block_id: Hash32) -> ChainedHeader:
        found = self._store.chained(block_id)
        if found is None:
            raise StorageError(
                f"block {block_id.hex()} is missing, the database is damaged: run `mappemonde db repair`"
            )
        return found

    def _load_head(self, genesis: ChainedHeader) -> ChainedHeader:
        if self._store.canonical_id(0) != genesis.id:
            raise StorageError("the database holds the blocks of another chain: choose another --datadir")
        head_id = self._store.head_id()
        assert head_id is not None, "the store has been begun"
        return self._require(head_id)

    def _reload(self) -> None:
        """Make the stored blocks about the head candidates again; those that were unripe ripen at the first call."""
        head = self.head()
        self._now = head.time
        height = max(1, head.height - RELOAD_DEPTH)
        while (block_ids := self._store.ids_at(height)) or height <= head.height:
            for block_id in block_ids:
                self._branches.add(Candidate(self._require(block_id), None), self._now)
            height += 1
