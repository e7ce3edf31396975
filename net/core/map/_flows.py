"""Which links carry which records whole: those of trees, and those beside them that have proved useful.

Each peer reads trees off its map (`_tree`), one for each lane of origins or for several; the link to its parent in
one, and those to the peers that have told it that it is theirs, carry the records of these lanes whole. Every record
then crosses each node about once. What a tree misses is mended as in Plumtree (Leitão et al. 2007): a link whose names
prove useful turns eager for their lanes as well, and lazy again when it keeps bringing what is here already, so that a
neighbour that swallows records delays them by PULL_AFTER at most. A new link between two that have eager links
begins lazy. Rejected: pushing to all links, five copies each; a tree that only mends itself (docs/decisions).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import Priority
from net.core.map._tree import Trees
from net.core.wire.frame import FrameKind, ToPeer
from net.core.wire.gossip import ALL_LANES, LANES, RecordsWant, Turn, encode_want, lane_of

EAGER_ENOUGH = 3
"""Eager links from which on a further link begins lazy, if its other end has as many links on the map."""

CROSSING = Millis(30_000)
"""How old news may be that a neighbour does not know yet, or that cross what it sends: a busy one is seconds behind."""

LAZY_AFTER = 3
"""A link beside the trees turns lazy when repetitions outweigh news by this many (news count double)."""

REPEATS_SPARED = 256
"""Repetitions over an eager link that are no waste, beside one for each record that this node has passed on since the
link came up: a neighbour that has closed a gap passes on at once what others had before."""


@dataclass(slots=True)
class Brought:
    """What one batch of a neighbour came to."""

    news: list[int] = field(default_factory=lambda: [0] * LANES)
    """Records that were taken, by lane."""
    repeats: list[int] = field(default_factory=lambda: [0] * LANES)
    """Records that were here, by lane."""
    outdated: int = 0
    """Records older than one that all have had for CROSSING."""
    overtaken: int = 0
    """Of the repetitions, answers that came by others first."""


@dataclass(slots=True)
class _Flow:
    useful: int = ALL_LANES
    """Lanes, one bit each, that go because the link is new, or brought what others had not; repetitions end it."""
    parent: int = 0
    """Lanes for which the link is this node's way to a root."""
    child: int = 0
    """Lanes for which it is the other end's way to a root."""
    lazy_since: Millis | None = None
    """When the first batch came after lanes had turned lazy, or the other end was reminded; None while all go."""
    reminded: bool = False
    """Whether the other end was told twice which lanes go: turns that cross can leave the ends of a link at odds."""
    passed_before: int = 0
    """How many records this node had passed on when the link came up."""
    repeated: int = 0
    """What the link has brought again while any lanes went, without what was waste."""
    score: int = 0
    news: int = 0
    wasted: int = 0

    @property
    def eager(self) -> int:
        return self.useful | self.parent | self.child

    @property
    def beside(self) -> int:
        """The lanes that go though no tree asks for them."""
        return self.useful & ~(self.parent | self.child)


class Flows:
    """What goes over each link. `Spread` alone holds one."""

    def __init__(self, trees: Trees | None) -> None:
        """`trees` is None where the map is not the whole one."""
        self._trees = trees
        self._flows: dict[PeerId, _Flow] = {}
        self._over: list[list[PeerId] | None] = [None] * LANES
        """The links that carry a lane, None when they are to be found anew: whoever changes a flow says so."""
        self.passed = 0
        """How many records were passed on so far."""
        self.healing = False
        """While the node mends its own links or the map, all records go to all links."""

    def add(self, peer: PeerId, degree: int, now: Millis) -> list[ToPeer]:
        """Take up a link to a peer with this many links on the map."""
        flow = self._flows[peer] = _Flow(passed_before=self.passed)
        self._changed()
        if self._trees is not None:
            self._trees.links_changed(now)
        hangs = any(other.parent for other in self._flows.values())
        if degree < EAGER_ENOUGH or (len(self.eager()) <= EAGER_ENOUGH and not hangs):
            return []
        self._useless(flow)
        return [_want(peer, Turn.LAZY)]

    def remove(self, peer: PeerId, now: Millis) -> None:
        """Forget a link."""
        self._changed()
        if self._flows.pop(peer, None) is not None and self._trees is not None:
            self._trees.links_changed(now)

    def eager(self) -> list[PeerId]:
        """Return the links that carry any records whole."""
        return [peer for peer, flow in self._flows.items() if flow.eager]

    def over(self, lane: int) -> list[PeerId]:
        """Return the links that the records of a lane go over whole."""
        if self.healing:
            return list(self._flows)
        found = self._over[lane]
        if found is None:
            found = self._over[lane] = [peer for peer, flow in self._flows.items() if flow.eager >> lane & 1]
        return found

    def _changed(self) -> None:
        self._over = [None] * LANES

    def lanes_of(self, names: Iterable[bytes]) -> int:
        """Return the lanes, one bit each, of the trees along which the records of these names should have come."""
        if self._trees is None:
            return ALL_LANES
        lanes = 0
        for name in names:
            lanes |= self._trees.lanes_beside(lane_of(name))
        return lanes

    def judged(self, peer: PeerId, brought: Brought, now: Millis) -> list[ToPeer]:
        """Count what a batch brought; turn the link lazy when it keeps repeating what came by others.

        Repetitions of lanes that have been lazy for CROSSING remind the other end of it; those that come as long after
        that are waste, and so are those over a link with eager lanes beyond what an honest neighbour could repeat, for
        the other end alone makes lanes eager, or others, if it likes.
        """
        flow = self._flows.get(peer)
        if flow is None:
            return []
        if flow.eager == ALL_LANES:
            flow.lazy_since = None
        elif flow.lazy_since is None:
            flow.lazy_since, flow.reminded = now, False
        repeats = max(0, sum(brought.repeats) - brought.overtaken)
        settled = not self.healing and flow.lazy_since is not None and now - flow.lazy_since >= CROSSING
        stray = max(0, repeats - _within(brought.repeats, flow.eager)) if settled else 0
        waste = stray if flow.reminded else 0
        spared = REPEATS_SPARED + self.passed - flow.passed_before
        again = flow.repeated + (repeats - waste if flow.eager else 0)
        flow.repeated = min(again, spared)
        flow.wasted += brought.outdated + waste + again - flow.repeated
        flow.news += sum(brought.news)
        beside = flow.beside
        gain = 2 * _within(brought.news, beside) + brought.overtaken
        flow.score = max(0, flow.score + _within(brought.repeats, beside) - gain)
        if stray and not flow.reminded:
            flow.lazy_since, flow.reminded = now, True
            return _wants(peer, flow)
        if not beside or flow.score < LAZY_AFTER:
            return []
        self._useless(flow)
        return _wants(peer, flow)

    def _useless(self, flow: _Flow) -> None:
        flow.useful = 0
        flow.score = 0
        flow.lazy_since = None
        self._changed()

    def turn(self, peer: PeerId, want: RecordsWant) -> None:
        """Carry out what a neighbour's WANT asks of the link: LAZY takes back what EAGER and TREE have asked for, but
        not what this node has."""
        flow = self._flows.get(peer)
        if flow is None or want.turn is Turn.KEEP:
            return
        if want.turn is Turn.LAZY:
            if flow.useful | flow.child:
                self._useless(flow)
                flow.child = 0
            return
        if want.turn is Turn.TREE:
            flow.child = want.lanes
        else:
            flow.useful, flow.score = flow.useful | want.lanes, 0
        flow.lazy_since = None
        self._changed()

    def map_came(self, now: Millis) -> None:
        """Note that a joiner has its map: it finds its place in the trees at once."""
        if self._trees is not None:
            self._trees.map_came(now)

    def only_trees(self) -> None:
        """Take it that no link has been of use beside the trees for long."""
        for flow in self._flows.values():
            self._useless(flow)

    def _parent(self, lane: int) -> PeerId | None:
        return next((peer for peer, flow in self._flows.items() if flow.parent >> lane & 1), None)

    def deadline(self) -> Millis | None:
        """Return when `follow` next has work."""
        return None if self._trees is None else self._trees.deadline()

    def follow(self, now: Millis) -> list[ToPeer]:
        """If a look is due, hang this node under the neighbour that the map now shows nearest to the root."""
        if self._trees is None or not self._trees.due(now):
            return []
        lanes, parent = self._trees.look(self._flows, self._parent, now)
        frames: list[ToPeer] = []
        for peer, flow in self._flows.items():
            if flow.parent & lanes and peer != parent:
                frames += self._leave(peer, flow, lanes)
        if parent is not None and self._flows[parent].parent & lanes != lanes:
            flow = self._flows[parent]
            flow.parent, flow.lazy_since = flow.parent | lanes, None
            self._changed()
            frames.append(_want(parent, Turn.TREE, flow.parent))
        return frames

    def _leave(self, peer: PeerId, flow: _Flow, lanes: int) -> list[ToPeer]:
        flow.parent &= ~lanes
        flow.lazy_since = None
        self._changed()
        if flow.parent:
            return [_want(peer, Turn.TREE, flow.parent)]
        self._useless(flow)
        return [_want(peer, Turn.LAZY)]

    def conduct(self, peer: PeerId) -> tuple[int, int]:
        """Return how many records a link has brought that were new, and how many that its sender knew to be useless:
        outdated ones, and whole ones after it was asked for names only."""
        flow = self._flows.get(peer)
        return (0, 0) if flow is None else (flow.news, flow.wasted)


def _within(counts: list[int], lanes: int) -> int:
    return sum(count for lane, count in enumerate(counts) if lanes >> lane & 1)


def _wants(peer: PeerId, flow: _Flow) -> list[ToPeer]:
    """Tell a neighbour which lanes this node wants whole, and no others."""
    wants = [_want(peer, Turn.LAZY)]
    if flow.parent:
        wants.append(_want(peer, Turn.TREE, flow.parent))
    if flow.beside:
        wants.append(_want(peer, Turn.EAGER, flow.beside))
    return wants


def _want(peer: PeerId, turn: Turn, lanes: int = ALL_LANES) -> ToPeer:
    return want_frame(peer, RecordsWant(turn, (), lanes))


def want_frame(peer: PeerId, want: RecordsWant) -> ToPeer:
    """Return the frame that asks a neighbour for records by name, or for lanes."""
    return ToPeer(peer, FrameKind.RECORDS_WANT, encode_want(want), Priority.RECORD)
