"""The miner under any order of what can happen to it, against a plain account of what it should hold."""

from dataclasses import dataclass, field, replace
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.block import ChainedHeader, SealedHeader
from chain.fork_choice import sibling_rank
from chain.primitives.units import Hash32, Millis
from consensus.miner import BuildTemplate, Candidate, Found, Miner, MinerEffect, MinerState, SetWork
from consensus.ripening import pre_relay
from consensus.rules import ConsensusRules
from tests.consensus.blocks import make_draw, make_header
from tests.consensus.networks import DEVNET, epoch_stake, key, place

STAKE = epoch_stake({1: 300, 2: 300, 3: 300})
PARENTS = [place(DEVNET, 40), replace(place(DEVNET, 40), id=Hash32(b"\x77" * 32))]
RULES = ConsensusRules(DEVNET)

_HASH = st.integers(1 << 236, 1 << 252)
_EVENTS = st.one_of(
    st.tuples(st.just("found"), _HASH),
    st.tuples(st.just("found"), _HASH),
    st.tuples(st.just("old job"), _HASH),
    st.tuples(st.just("rival"), _HASH),
    st.tuples(st.just("wait"), st.sampled_from([1, 500, 5_000])),
    st.tuples(st.just("wait"), st.sampled_from([6_000, 12_000, 31_000])),
    st.tuples(st.just("ticket"), st.integers(0, 2)),
    st.tuples(st.just("refused"), st.just(0)),
    st.tuples(st.just("rest"), st.just(0)),
    st.tuples(st.just("parent"), st.integers(0, 1)),
    st.tuples(st.just("transactions"), st.just(0)),
)


DRAWS = {parent.id: [make_draw(DEVNET, key(number), parent, STAKE) for number in (1, 2, 3)] for parent in PARENTS}


@dataclass
class Desk:
    """Carries the miner's effects out as the service does, and keeps the account."""

    miner: Miner = field(default_factory=lambda: Miner(DEVNET, Random(0)))
    now: Millis = Millis(PARENTS[0].time + 10)
    parent: ChainedHeader | None = None
    jobs: list[Hash32] = field(default_factory=list)
    own: dict[Hash32, list[ChainedHeader]] = field(default_factory=lambda: {parent.id: [] for parent in PARENTS})
    """What the miner could take of its own hashes by parent, the refused left out."""
    rivals: dict[Hash32, list[ChainedHeader]] = field(default_factory=lambda: {parent.id: [] for parent in PARENTS})
    shown: set[Hash32] = field(default_factory=set)
    templates: int = 0

    def do(self, effects: list[MinerEffect]) -> None:
        """Carry out effects."""
        for effect in effects:
            match effect:
                case SetWork(job_id=job_id):
                    self.jobs.append(job_id)
                case Found():
                    self._check(effect)
                case BuildTemplate():
                    self._build(effect)

    def _build(self, wish: BuildTemplate) -> None:
        self.templates += 1
        header = make_header(DEVNET, wish.parent, STAKE, wish.draw)
        header = replace(header, extra=self.templates.to_bytes(2, "big"))
        ticket = None if wish.draw is None else wish.draw.ticket
        self.do(self.miner.candidate(Candidate(header, ticket, ()), self.now))

    def _check(self, found: Found) -> None:
        """A block that is shown is valid, not early, and the best of this miner's."""
        assert self.parent is not None
        chained = RULES.chain(found.block.sealed, self.parent)
        assert chained.time == found.time <= self.now + pre_relay(DEVNET)
        assert sibling_rank(chained)[:2] == min(sibling_rank(own)[:2] for own in self.own[self.parent.id])
        self.shown.add(chained.id)

    def found(self, job_id: Hash32, pow_hash: int) -> None:
        """Hand in a hash."""
        job = self.miner.job(job_id)
        if job is not None and self.parent is not None:
            nonce = pow_hash.to_bytes(32, "big")[:8]
            header = replace(job.candidate.header, nonce=nonce)
            self.own[self.parent.id].append(
                RULES.chain(SealedHeader(header, pow_hash, job.candidate.ticket), self.parent)
            )
            self.do(self.miner.found(job_id, nonce, pow_hash, self.now))

    def rival(self, pow_hash: int) -> None:
        """Hear of another's block; a ripe one would be a new head."""
        if self.parent is not None:
            header = replace(make_header(DEVNET, self.parent, STAKE), extra=b"rival")
            block = RULES.chain(SealedHeader(header, pow_hash, None), self.parent)
            if block.time > self.now:
                self.rivals[self.parent.id].append(block)
                self.do(self.miner.rival(block, self.now))

    def follow(self, parent: ChainedHeader) -> None:
        """Mine on a parent, and tell of the rivals there."""
        self.parent = parent
        self.do(self.miner.parent(parent, None, self.now))
        self.tell_rivals(parent)

    def tell_rivals(self, parent: ChainedHeader) -> None:
        """Tell of all rivals again."""
        for rival in self.rivals[parent.id]:
            self.do(self.miner.rival(rival, self.now))

    def rest(self) -> None:
        """Stop mining."""
        self.parent = None
        self.do(self.miner.halt())

    def refuse(self) -> None:
        """Refuse the own block, as the node does after it was shown."""
        if self.parent is not None:
            self.own[self.parent.id].clear()
            self.do(self.miner.refused(self.parent.id, self.now))
            self.tell_rivals(self.parent)

    def wait(self, duration: int) -> None:
        """Let time pass, the timer ringing when it is due."""
        end = Millis(self.now + duration)
        while (due := self.miner.deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.do(self.miner.tick(self.now))
            self.check()
        self.now = end

    def check(self) -> None:
        """Compare the miner with the account."""
        statistics = self.miner.statistics()
        if self.parent is None:
            assert (statistics.state, self.miner.deadline()) == (MinerState.IDLE, None)
            return
        blocks = self.own[self.parent.id] + self.rivals[self.parent.id]
        best = min(blocks, key=lambda block: sibling_rank(block)[:2], default=None)
        if statistics.state is MinerState.DONE:
            assert any(block.time <= self.now for block in blocks), "it rests only when a block is ripe"
            return
        assert statistics.best_time == (None if best is None else best.time)
        assert best is None or best.time > self.now
        if best is not None and best in self.own[self.parent.id]:
            assert (best.time - pre_relay(DEVNET) <= self.now) == (best.id in self.shown)


@pytest.mark.slow
@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.lists(_EVENTS, min_size=10, max_size=40))
def test_whatever_happens_the_best_is_shown_in_time_and_nothing_else_ends_the_search(
    events: list[tuple[str, int]],
) -> None:
    desk = Desk()
    desk.follow(PARENTS[0])
    for name, number in events:
        match name:
            case "found" if desk.jobs:
                desk.found(desk.jobs[-1], number)
            case "old job" if desk.jobs:
                desk.found(desk.jobs[number % len(desk.jobs)], number)
            case "rival":
                desk.rival(number)
            case "wait":
                desk.wait(number)
            case "ticket" if desk.parent is not None:
                desk.do(desk.miner.ticket(desk.parent.id, DRAWS[desk.parent.id][number]))
            case "refused":
                desk.refuse()
            case "rest":
                desk.rest()
            case "parent":
                desk.follow(PARENTS[number])
            case "transactions":
                desk.miner.transactions_changed(desk.now)
        desk.wait(0)
        desk.check()
