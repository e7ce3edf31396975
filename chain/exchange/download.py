"""The second half of a catch-up: all seals of a branch, its bodies from several neighbours, imports in order."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from heapq import heappop, heappush

from chain.block import ChainedHeader
from chain.exchange.asks import Asks, Tags
from chain.exchange.branch import Branch
from chain.exchange.effects import CheckBody, CheckSeals, Effect, Import, Penalise, SealCheck, Tag
from chain.exchange.messages import Bodies, BodiesRequest
from chain.exchange.neighbours import Neighbour, Neighbours
from chain.primitives.errors import Penalty
from chain.primitives.peer import PeerId
from chain.primitives.units import Hash32, Millis
from chain.rules import InvalidBlock, Rule
from chain.transaction import SignedTransaction
from chain.trie import ordered_root
from chain.verified import VerifiedBlock

SEALS_PER_BATCH = 32
"""Seals of one piece of work: 64 ms of a worker, so that an urgent seal never waits longer."""

SEAL_BATCHES_MAX = 4
"""Pieces of work at once: the workers of a small machine are busy, the queue is short."""

WINDOW = 256
"""Blocks between the next import and the newest body that is asked for."""

BODIES_PER_ASK = 16
"""Bodies of one question; an answer stops at 1.25 MiB."""

ASKS_PER_PEER = 2
"""Open questions to one neighbour: the next answer is on its way while one is checked."""

ASKS_MAX = 8
"""Open questions in all: 10 MiB of answers at most."""

HELD_BYTES_MAX = 16 << 20
"""Bodies that wait for check or import; beyond it only the next block's is asked for."""

IMPORTS_MAX = 8
"""Blocks handed to the importer that it has not answered."""

REST_AFTER_FAILURE = Millis(5_000)
"""How long a neighbour that did not answer is left alone."""

EMPTY_ROOT = ordered_root(())
"""Transactions root of an empty body, which need not be fetched."""


class _State(Enum):
    WANTED = "wanted"
    ASKED = "asked"
    CHECKING = "checking"
    READY = "ready"


@dataclass(slots=True)
class _Slot:
    """The body of one block inside the window."""

    state: _State
    lacking: set[PeerId]
    """Who does not have it."""
    size: int = 0
    sender: PeerId | None = None
    signed: tuple[SignedTransaction, ...] = ()


class BranchFailed(Exception):
    """The branch cannot be finished."""

    def __init__(self, reason: str, *, penalty: Penalty, invalid_id: Hash32 | None = None) -> None:
        super().__init__(reason)
        self.penalty = penalty
        """What it costs the peer that claimed the branch."""
        self.invalid_id = invalid_id
        """The block that can never be valid."""


class Download:
    """Checks, fetches and imports the headers of one branch; changed by `sync.Sync` alone."""

    def __init__(self, branch: Branch, verified: set[int], neighbours: Neighbours, asks: Asks, tags: Tags) -> None:
        """`verified` are the places of headers whose seal was checked already."""
        self._branch = branch
        self._headers = branch.headers
        self._neighbours = neighbours
        self._asks = asks
        self._tags = tags
        self._verified = verified
        self._next_seal = 0
        self._sealing: dict[Tag, tuple[int, ...]] = {}
        self._slots: dict[int, _Slot] = {}
        self._next_slot = 0
        self._wanted: list[int] = []
        """Heap of the places that are to be asked for: those in the state WANTED."""
        self._asked: dict[Tag, tuple[PeerId, tuple[int, ...]]] = {}
        self._checking: dict[Tag, int] = {}
        self._importing: dict[Tag, int] = {}
        self._next_import = 0
        self._held_bytes = 0
        self.imported_count = 0
        self.fetched = 0

    @property
    def is_finished(self) -> bool:
        """Whether every block of the branch was imported."""
        return self.imported_count == len(self._headers)

    @property
    def peers_in_use(self) -> int:
        """Number of neighbours that are being asked."""
        return len({peer for peer, _ in self._asked.values()})

    def owns(self, tag: Tag) -> bool:
        """Tell whether a question or a piece of work is this download's."""
        return tag in self._asked or tag in self._checking or tag in self._sealing or tag in self._importing

    def work(self, now: Millis) -> list[Effect]:
        """Start whatever there is room for."""
        return [*self._check_seals(), *self._ask_bodies(now), *self._import()]

    def seals_checked(self, tag: Tag, results: Sequence[InvalidBlock | None]) -> None:
        """Take note of seals. Raises `BranchFailed` at a false claim."""
        for index, error in zip(self._sealing.pop(tag), results, strict=True):
            if error is not None:
                raise BranchFailed(str(error), penalty=error.penalty)
            self._verified.add(index)

    def responded(self, tag: Tag, peer: PeerId, response: object, now: Millis) -> list[Effect]:
        """Have the bodies of an answer checked."""
        _, indexes = self._asked.pop(tag)
        bodies = response.bodies if isinstance(response, Bodies) else ()
        for index in indexes[len(bodies) :]:
            self._want(index)
        if not bodies:
            self._rest(peer, now)
        effects: list[Effect] = []
        if not isinstance(response, Bodies) or len(bodies) > len(indexes):
            effects.append(Penalise(peer, Penalty.BAN, "an answer to another question"))
        for index, body in zip(indexes, bodies, strict=False):
            slot = self._slots[index]
            if body is None:
                slot.lacking.add(peer)
                self._want(index)
                continue
            slot.state, slot.sender, slot.size = _State.CHECKING, peer, len(body)
            self._held_bytes += len(body)
            self.fetched += 1
            checking = self._tags.next()
            self._checking[checking] = index
            effects.append(CheckBody(checking, self._headers[index].header, body, urgent=False))
        return effects

    def failed(self, tag: Tag, now: Millis) -> None:
        """A question got no answer: its blocks are asked for elsewhere."""
        peer, indexes = self._asked.pop(tag)
        for index in indexes:
            self._want(index)
        self._rest(peer, now)

    def body_checked(self, tag: Tag, result: tuple[SignedTransaction, ...] | InvalidBlock) -> list[Effect]:
        """Take note of a body. Raises `BranchFailed` if the block can never be valid."""
        index = self._checking.pop(tag)
        slot = self._slots[index]
        if isinstance(result, InvalidBlock):
            if result.rule is not Rule.TRANSACTIONS_ROOT:
                raise BranchFailed(str(result), penalty=Penalty.BAN, invalid_id=self._headers[index].id)
            sender = slot.sender
            self._release(slot)
            self._want(index)
            if sender is None:
                return []
            slot.lacking.add(sender)
            return [Penalise(sender, Penalty.BAN, "a body that is not its header's")]
        slot.state, slot.signed = _State.READY, result
        return []

    def imported(self, tag: Tag) -> ChainedHeader:
        """Take note of an import; return its header."""
        self.imported_count += 1
        return self._headers[self._importing.pop(tag)]

    # what there is room for

    def _check_seals(self) -> list[Effect]:
        effects: list[Effect] = []
        while len(self._sealing) < SEAL_BATCHES_MAX and self._next_seal < len(self._headers):
            batch: list[int] = []
            while len(batch) < SEALS_PER_BATCH and self._next_seal < len(self._headers):
                if self._next_seal not in self._verified:
                    batch.append(self._next_seal)
                self._next_seal += 1
            if batch:
                tag = self._tags.next()
                self._sealing[tag] = tuple(batch)
                checks = tuple(SealCheck(self._headers[index].sealed, None) for index in batch)
                effects.append(CheckSeals(tag, checks, urgent=False))
        return effects

    def _ask_bodies(self, now: Millis) -> list[Effect]:
        end = min(len(self._headers), self._next_import + WINDOW)
        while self._next_slot < end:
            is_empty = self._headers[self._next_slot].header.transactions_root == EMPTY_ROOT
            self._slots[self._next_slot] = _Slot(_State.READY if is_empty else _State.WANTED, set())
            if not is_empty:
                heappush(self._wanted, self._next_slot)
            self._next_slot += 1
        if not self._wanted or len(self._asked) >= ASKS_MAX:
            return []
        effects: list[Effect] = []
        for neighbour in self._usable(now):
            if not self._wanted or len(self._asked) >= ASKS_MAX:
                break
            indexes = self._take_wanted(neighbour)
            if not indexes:
                continue
            ask = self._asks.open(neighbour.peer, BodiesRequest(tuple(self._headers[i].id for i in indexes)), now)
            self._asked[ask.tag] = (neighbour.peer, indexes)
            effects.append(ask)
        return effects

    def _take_wanted(self, neighbour: Neighbour) -> tuple[int, ...]:
        """Take the next blocks that a neighbour is to be asked for; few of them only when urgent or the last."""
        claimed = neighbour.status.height if neighbour.status is not None else 0
        most = BODIES_PER_ASK if self._held_bytes <= HELD_BYTES_MAX else 1
        taken: list[int] = []
        passed: list[int] = []
        while self._wanted and len(taken) < most:
            index = heappop(self._wanted)
            if most == 1 and index != self._next_import:
                passed.append(index)
                break
            is_there = neighbour.peer not in self._slots[index].lacking and self._headers[index].height <= claimed
            (taken if is_there else passed).append(index)
        is_urgent = bool(taken) and (
            taken[0] < self._next_import + WINDOW // 4 or self._next_slot == len(self._headers)
        )
        if len(taken) < BODIES_PER_ASK and not is_urgent:
            passed += taken
            taken = []
        for index in passed:
            heappush(self._wanted, index)
        for index in taken:
            self._slots[index].state = _State.ASKED
        return tuple(taken)

    def _usable(self, now: Millis) -> list[Neighbour]:
        """Return the neighbours that can be asked, once per free place, those with fewest open questions first."""
        open_asks: dict[PeerId, int] = {}
        for peer, _ in self._asked.values():
            open_asks[peer] = open_asks.get(peer, 0) + 1
        free = [
            (used, neighbour)
            for neighbour in self._neighbours.all()
            if neighbour.rests_until <= now and self._asks.has_room(neighbour.peer)
            for used in range(open_asks.get(neighbour.peer, 0), ASKS_PER_PEER)
        ]
        return [neighbour for _, neighbour in sorted(free, key=lambda place: place[0])]

    def _import(self) -> list[Effect]:
        effects: list[Effect] = []
        while len(self._importing) < IMPORTS_MAX and self._next_import in self._slots:
            index = self._next_import
            slot = self._slots[index]
            if slot.state is not _State.READY or index not in self._verified:
                break
            header = self._headers[index]
            tag = self._tags.next()
            self._importing[tag] = index
            effects.append(Import(tag, VerifiedBlock(header.sealed, slot.signed, self._branch.started), header.id))
            self._release(slot)
            del self._slots[index]
            self._next_import += 1
        return effects

    def _want(self, index: int) -> None:
        self._slots[index].state = _State.WANTED
        heappush(self._wanted, index)

    def _release(self, slot: _Slot) -> None:
        self._held_bytes -= slot.size
        slot.size, slot.sender, slot.signed = 0, None, ()

    def _rest(self, peer: PeerId, now: Millis) -> None:
        neighbour = self._neighbours.get(peer)
        if neighbour is not None:
            neighbour.rests_until = Millis(now + REST_AFTER_FAILURE)
