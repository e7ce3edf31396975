"""Catch-up, headers first (DESIGN 4.4, rule 10): claimed work compared, 32 random seals, then everything in parallel.

A peer that claims more work than our head has is asked for its headers. They cost it nothing, so nothing is believed
before seals are checked: first a random sample, which a forged branch does not survive, then all of them, while the
bodies come from every neighbour that has them. What was imported stays, so a catch-up that fails goes on with another
peer from there.
"""

from collections.abc import Sequence
from enum import Enum
from random import Random

from chain.exchange.asks import Asks, Tags
from chain.exchange.bounded import RecentHashes
from chain.exchange.branch import Branch
from chain.exchange.download import IMPORTS_MAX, REST_AFTER_FAILURE, BranchFailed, Download
from chain.exchange.effects import (
    CheckSeals,
    Effect,
    Import,
    OutOfReach,
    Penalise,
    SealCheck,
    SyncPhase,
    SyncProgress,
    Tag,
)
from chain.exchange.messages import Headers, Response
from chain.exchange.neighbours import Neighbour, Neighbours
from chain.exchange.policy import ExchangePolicy
from chain.exchange.ports import BlockSource
from chain.exchange.progress import Progress
from chain.ports import SealRules
from chain.primitives.errors import Penalty, RemoteError
from chain.primitives.peer import PeerId
from chain.primitives.units import Hash32, Millis
from chain.rules import InvalidBlock
from chain.transaction import SignedTransaction
from chain.verified import ImportStatus

SAMPLE = 32
"""Random seals that are checked first: a branch with a tenth of its claims forged survives with 3 %, with a third of
them forged with two in a million; and then the rest is checked anyway, before anything is imported."""

REST_AFTER_LIE = Millis(60_000)
"""How long a peer that did not have what it claimed is not chosen again."""

REST_OUT_OF_REACH = Millis(600_000)
"""How long a peer is not asked whose chain forks off below our states: its headers are up to 10 MB, and nothing but its
own change of mind makes them useful."""

STALL_AFTER = Millis(60_000)
"""A catch-up that brought nothing for so long is given up: nobody has the bodies of the claimed branch."""


class SyncState(Enum):
    """What a catch-up is doing."""

    IDLE = "idle"
    HEADERS = "headers"
    SAMPLE = "sample"
    BODIES = "bodies"


class SyncEvent(Enum):
    """What moves it."""

    CHOSEN = "chosen"
    """A peer claims more work than our head has."""
    HEAVIER = "heavier"
    """Its headers do claim it."""
    SAMPLED = "sampled"
    """The random seals are true."""
    ENDED = "ended"
    """Done or given up."""


TRANSITIONS: dict[tuple[SyncState, SyncEvent], SyncState] = {
    (SyncState.IDLE, SyncEvent.CHOSEN): SyncState.HEADERS,
    (SyncState.HEADERS, SyncEvent.HEAVIER): SyncState.SAMPLE,
    (SyncState.HEADERS, SyncEvent.ENDED): SyncState.IDLE,
    (SyncState.SAMPLE, SyncEvent.SAMPLED): SyncState.BODIES,
    (SyncState.SAMPLE, SyncEvent.ENDED): SyncState.IDLE,
    (SyncState.BODIES, SyncEvent.ENDED): SyncState.IDLE,
}
"""All there is; what the table lacks is a bug."""

_PHASES = {
    SyncState.IDLE: SyncPhase.DONE,
    SyncState.HEADERS: SyncPhase.HEADERS,
    SyncState.SAMPLE: SyncPhase.SAMPLE,
    SyncState.BODIES: SyncPhase.BODIES,
}


class Sync:
    """One catch-up at a time."""

    def __init__(
        self,
        policy: ExchangePolicy,
        rules: SealRules,
        *,
        source: BlockSource,
        neighbours: Neighbours,
        asks: Asks,
        invalid: RecentHashes,
        tags: Tags,
        rng: Random,
    ) -> None:
        self._policy = policy
        self._rules = rules
        self._source = source
        self._neighbours = neighbours
        self._asks = asks
        self._invalid = invalid
        self._tags = tags
        self._rng = rng
        self.state = SyncState.IDLE
        self._branch: Branch | None = None
        self._download: Download | None = None
        self._progress: Progress | None = None
        self._headers_ask: Tag | None = None
        self._sample: tuple[Tag, tuple[int, ...]] | None = None
        self._importing: dict[Tag, Hash32] = {}
        self._moved_at = Millis(0)
        """When something last came."""
        self._worked_at = Millis(0)
        """When it was last looked for something to do."""
        self.last_progress: SyncProgress | None = None
        self.imported_blocks = 0
        self.completed = 0
        self.given_up = 0

    @property
    def is_active(self) -> bool:
        """Whether a catch-up is going on."""
        return self.state is not SyncState.IDLE

    def owns(self, tag: Tag) -> bool:
        """Tell whether a question or a piece of work belongs to the catch-up that is going on."""
        if tag == self._headers_ask or (self._sample is not None and tag == self._sample[0]):
            return True
        return self._download is not None and self._download.owns(tag)

    def owns_import(self, tag: Tag) -> bool:
        """Tell whether an import was handed over by a catch-up, even one that was given up since."""
        return tag in self._importing

    # choosing

    def consider(self, now: Millis) -> list[Effect]:
        """Begin a catch-up if a neighbour claims more work than our head has."""
        if self.state is not SyncState.IDLE:
            return []
        self._worked_at = now
        ahead = [neighbour for neighbour in self._ahead() if neighbour.rests_until <= now]
        if not ahead or len(self._importing) >= IMPORTS_MAX:
            return self._report(now)
        # In turns: a claim costs nothing, and who claims most could lead a newcomer, whose head weighs little, along
        # one light branch after the other.
        fewest = min(neighbour.turns for neighbour in ahead)
        ahead = [neighbour for neighbour in ahead if neighbour.turns == fewest]
        most = max(neighbour.status.total_work for neighbour in ahead if neighbour.status is not None)
        chosen = self._rng.choice([item for item in ahead if item.status and item.status.total_work == most])
        if chosen.status is None or not self._asks.has_room(chosen.peer):
            return []
        chosen.turns += 1
        self._go(SyncEvent.CHOSEN)
        if self._progress is None:
            self._progress = Progress(self._source.head().height, now)
        self._branch = Branch(chosen.peer, chosen.status, self._source, now)
        self._moved_at = now
        return [*self._ask_headers(self._branch, now), *self._report(now)]

    def _ahead(self) -> list[Neighbour]:
        head = self._source.head()
        return [
            neighbour
            for neighbour in self._neighbours.all()
            if neighbour.status is not None
            and neighbour.status.total_work > head.total_work
            and self._source.chained(neighbour.status.head_id) is None
        ]

    # headers

    def _ask_headers(self, branch: Branch, now: Millis) -> list[Effect]:
        ask = self._asks.open(branch.peer, branch.request(), now)
        self._headers_ask = ask.tag
        return [ask]

    def responded(self, tag: Tag, peer: PeerId, response: Response, now: Millis) -> list[Effect]:
        """Take an answer to a question of this part."""
        if tag != self._headers_ask:
            assert self._download is not None, "the tag was this download's"
            self._moved_at = now
            return [*self._download.responded(tag, peer, response, now), *self._work(now)]
        self._headers_ask = None
        branch = self._branch
        assert branch is not None, "headers were asked for a branch"
        if not isinstance(response, Headers):
            return self._give_up("an answer to another question", Penalty.BAN, now)
        latest = Millis(now + self._policy.max_ahead)
        try:
            branch.extend(response.sealed, self._rules, self._invalid, latest=latest, now=now)
        except RemoteError as error:
            return self._give_up(str(error), error.penalty, now)
        self._moved_at = now
        if not branch.complete:
            return [*self._ask_headers(branch, now), *self._report(now)]
        return self._weigh(branch, now)

    def _weigh(self, branch: Branch, now: Millis) -> list[Effect]:
        """Compare claimed work; what is not heavier is not looked at."""
        ours = self._source.head().total_work
        if branch.tip is None or branch.tip.total_work <= ours:
            # blameless if our head went on meanwhile, our clock is late, or a segment is too short to show the work
            lied = (
                not branch.is_cut
                and branch.claim.total_work > ours
                and self._source.chained(branch.claim.head_id) is None
            )
            return self._give_up(
                "claimed more work than its headers show", Penalty.STRIKE if lied else Penalty.NONE, now
            )
        self._go(SyncEvent.HEAVIER)
        count = len(branch.headers)
        places = tuple(sorted(self._rng.sample(range(count), min(SAMPLE, count))))
        tag = self._tags.next()
        self._sample = (tag, places)
        checks = tuple(SealCheck(branch.headers[place].sealed, None) for place in places)
        return [CheckSeals(tag, checks, urgent=False), *self._report(now)]

    # results of work

    def seals_checked(self, tag: Tag, results: Sequence[InvalidBlock | None], now: Millis) -> list[Effect]:
        """Take checked seals: of the sample, or of the whole branch."""
        branch = self._branch
        assert branch is not None, "seals were checked for a branch"
        self._moved_at = now
        if self._sample is not None and tag == self._sample[0]:
            places = self._sample[1]
            self._sample = None
            false_claim = next((error for error in results if error is not None), None)
            if false_claim is not None:
                return self._give_up(str(false_claim), false_claim.penalty, now)
            if branch.headers[0].height <= self._source.state_floor():
                return self._out_of_reach(branch, now)
            self._go(SyncEvent.SAMPLED)
            self._download = Download(branch, set(places), self._neighbours, self._asks, self._tags)
            return self._work(now)
        assert self._download is not None, "the tag was this download's"
        try:
            self._download.seals_checked(tag, results)
        except BranchFailed as failure:
            return self._fail(failure, now)
        return self._work(now)

    def body_checked(self, tag: Tag, result: tuple[SignedTransaction, ...] | InvalidBlock, now: Millis) -> list[Effect]:
        """Take a checked body."""
        assert self._download is not None, "the tag was this download's"
        self._moved_at = now
        try:
            effects = self._download.body_checked(tag, result)
        except BranchFailed as failure:
            return self._fail(failure, now)
        return effects + self._work(now)

    def imported(self, tag: Tag, outcome: ImportStatus | InvalidBlock, now: Millis) -> tuple[list[Effect], Hash32]:
        """Take the importer's word; returns the block's id, for those that wait for it."""
        block_id = self._importing.pop(tag)
        if self._download is None or not self._download.owns(tag):
            return [], block_id
        self._moved_at = now
        if isinstance(outcome, InvalidBlock):
            return self._fail(BranchFailed(str(outcome), penalty=Penalty.BAN, invalid_id=block_id), now), block_id
        if outcome in (ImportStatus.ORPHAN, ImportStatus.DROPPED, ImportStatus.PRUNED):
            return self._give_up(f"a block of the branch was {outcome.value}", Penalty.NONE, now), block_id
        header = self._download.imported(tag)
        self.imported_blocks += 1
        if self._progress is not None:
            self._progress.height = max(self._progress.height, header.height)
        if self._download.is_finished:
            self.completed += 1
            if self._branch is not None:
                # blocks that were announced meanwhile were too far ahead to be kept
                self._neighbours.hint(self._branch.peer, now)
            self._end()
            return self.consider(now), block_id
        return self._work(now), block_id

    def failed(self, tag: Tag, now: Millis) -> list[Effect]:
        """A question got no answer."""
        if tag == self._headers_ask:
            return self._give_up("headers did not come", Penalty.NONE, now)
        assert self._download is not None, "the tag was this download's"
        self._download.failed(tag, now)
        return self._work(now)

    # time

    def tick(self, now: Millis) -> list[Effect]:
        """Begin, go on, or give up."""
        if self.state is SyncState.IDLE:
            return self.consider(now)
        if self._moved_at + STALL_AFTER <= now and not self._importing:
            return self._give_up("nobody has what it claims", Penalty.STRIKE, now)
        return self._work(now) if self.state is SyncState.BODIES else []

    def deadline(self) -> Millis | None:
        """Return when `tick` next has work."""
        if self.state is SyncState.IDLE:
            times = [neighbour.rests_until for neighbour in self._ahead() if neighbour.rests_until > self._worked_at]
            return min(times, default=None)
        times = [] if self._importing else [Millis(self._moved_at + STALL_AFTER)]
        if self.state is SyncState.BODIES:
            times += [item.rests_until for item in self._neighbours.all() if item.rests_until > self._worked_at]
        return min(times, default=None)

    # ends

    def _work(self, now: Millis) -> list[Effect]:
        if self._download is None:
            return []
        effects = self._download.work(now)
        for effect in effects:
            if isinstance(effect, Import):
                self._importing[effect.tag] = effect.block_id
        self._worked_at = now
        return effects + self._report(now)

    def _fail(self, failure: BranchFailed, now: Millis) -> list[Effect]:
        if failure.invalid_id is not None:
            self._invalid.add(failure.invalid_id, now)
        return self._give_up(str(failure), failure.penalty, now)

    def _out_of_reach(self, branch: Branch, now: Millis) -> list[Effect]:
        """Leave a branch whose first block cannot be judged. Told after the sample: a claim alone costs nothing."""
        neighbour = self._neighbours.get(branch.peer)
        if neighbour is not None:
            neighbour.rests_until = Millis(max(neighbour.rests_until, now + REST_OUT_OF_REACH))
        fork = branch.headers[0].height - 1
        told = OutOfReach(branch.peer, fork, self._source.state_floor(), branch.headers[-1].height)
        return [told, *self._give_up("forks off below our states", Penalty.NONE, now)]

    def _give_up(self, reason: str, penalty: Penalty, now: Millis) -> list[Effect]:
        """End the catch-up, charge the peer that claimed the branch, go on with another one."""
        assert self._branch is not None, "a catch-up has a branch"
        peer = self._branch.peer
        self.given_up += 1
        neighbour = self._neighbours.get(peer)
        if neighbour is not None:
            rest = REST_AFTER_FAILURE if penalty is Penalty.NONE else REST_AFTER_LIE
            neighbour.rests_until = Millis(max(neighbour.rests_until, now + rest))
        self._end()
        effects: list[Effect] = [] if penalty is Penalty.NONE else [Penalise(peer, penalty, reason)]
        return effects + self.consider(now)

    def _end(self) -> None:
        self._go(SyncEvent.ENDED)
        self._branch = self._download = self._headers_ask = self._sample = None

    def _go(self, event: SyncEvent) -> None:
        self.state = TRANSITIONS[(self.state, event)]

    def _report(self, now: Millis) -> list[Effect]:
        if self._progress is None:
            return []
        statuses = [item.status.height for item in self._neighbours.all() if item.status is not None]
        tip = self._branch.tip if self._branch is not None else None
        report = self._progress.report(
            _PHASES[self.state],
            headers_height=tip.height if tip is not None else self._progress.height,
            target_height=max([self._progress.height, *statuses]),
            peers=self._download.peers_in_use if self._download is not None else 1,
            now=now,
        )
        if self.state is SyncState.IDLE:
            self._progress = None
        if report is None:
            return []
        self.last_progress = report
        return [report]
