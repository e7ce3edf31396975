"""Whom a node gives up over records it was told of: the one that keeps them back, not the one that is slow."""

from dataclasses import replace

import pytest

from bench.neighbours import grown, run
from chain.primitives.peer import PREFIX_BYTES
from chain.primitives.units import Millis
from net.core.map._pulls import PULL_AFTER, PULL_AGAIN
from net.core.overlay.annoyance import JUDGE_EVERY, Annoyance, Deeds
from net.core.wire.frame import FrameKind
from net.core.wire.gossip import RecordName, decode_want, encode_have, record_name
from net.sim.scenarios.growth import settings
from tests.helpers.gossip_node import A, B, frames, give, node
from tests.helpers.map_world import START, identity, record

SPARSE = replace(settings(), own_core=3, own_max=4, own_young=4, links=6)
"""Few links of each node: a record takes several hops."""


@pytest.mark.slow
@pytest.mark.parametrize(("late", "useful"), [(None, 0), (None, 5), (2_000, 0), (10_000, 0), (25_000, 0)])
def test_who_sends_nothing_it_names_is_annoying_within_ten_minutes_and_who_is_late_never(
    late: int | None, useful: int
) -> None:
    """Every 10 s neighbour A names a new record first, B at once after it; B sends it when asked, A `late` or never.

    Beside that, A brings `useful` things a second.
    """
    one, annoyance, named = node(A, B), Annoyance(), []
    answers: list[tuple[int, int]] = []
    asked: set[int] = set()
    numbers: dict[RecordName, int] = {}
    for second in range(600):
        now = Millis(START + second * 1_000)
        if second % 10 == 0:
            name = record_name(identity(1_000 + second).peer[:PREFIX_BYTES], START)
            numbers[name] = 1_000 + second
            for sender in (A, B):
                one.gossip.receive(sender, FrameKind.RECORDS_HAVE, encode_have([name]), now)
        for frame in frames(one.gossip.tick(now), FrameKind.RECORDS_WANT):
            for name in decode_want(frame.body).names:
                number = numbers[name]
                if frame.peer == B:
                    give(one, B, record(identity(number)), now=now)
                else:
                    asked.add(number)
                    answers += [(now + late, number)] if late is not None else []
        for at, number in [answer for answer in answers if answer[0] <= now]:
            answers.remove((at, number))
            give(one, A, record(identity(number)), now=now)
        if second and second * 1_000 % JUDGE_EVERY == 0:
            news, outdated = one.gossip.spread.flows.conduct(A)
            account = one.gossip.pulls.conduct(A)
            deeds = Deeds(
                useful=news + account.late + useful * second,
                outdated=outdated,
                stalled=account.kept_back,
                handed=account.handed,
                kept_back=account.kept_back,
            )
            named += [second] if annoyance.judge({A: deeds}, now) is not None else []
    assert PULL_AFTER + PULL_AGAIN < 10_000
    assert len(asked) >= 59, "B is asked for one on purpose, to see whether it sends any"
    assert bool(named) == (late is None)
    assert not named or named[0] <= 300


@pytest.mark.slow
def test_slow_nodes_keep_their_neighbours() -> None:
    found = run(grown(2, 12, SPARSE), slow=4, stallers=0, minutes=6)
    assert found.false == 0
    assert found.kept_back == 0


def test_old_or_unsigned_records_do_not_end_the_search_for_a_newer_one() -> None:
    one, origin, born = node(A, B), identity(5), START - 100_000
    give(one, A, record(origin, seq=START - 90_000, born=born))
    name = record_name(origin.peer[:PREFIX_BYTES], START)
    one.gossip.receive(B, FrameKind.RECORDS_HAVE, encode_have([name]), START)
    for seq in (START - 95_000, START - 90_000, START + 600_000):
        useless = replace(record(origin, born=born), seq=Millis(seq), signature=bytes(64))
        give(one, A, useless, now=START + 1_000)
    give(one, A, record(origin, seq=START - 50_000, born=born), now=START + 1_000)
    (asked,) = frames(one.gossip.tick(Millis(START + PULL_AFTER)), FrameKind.RECORDS_WANT)
    assert (asked.peer, decode_want(asked.body).names) == (B, (name,))


def test_a_name_made_up_costs_those_who_told_true_ones_no_question() -> None:
    one, origin = node(A, B), identity(5)
    true, false = (record_name(origin.peer[:PREFIX_BYTES], seq) for seq in (START, START + 50_000))
    one.gossip.receive(A, FrameKind.RECORDS_HAVE, encode_have([false]), START)
    one.gossip.receive(B, FrameKind.RECORDS_HAVE, encode_have([true]), START)
    give(one, B, record(origin), now=START + 1_000)
    asked = [
        frame.peer
        for later in range(0, 20_000, 500)
        for frame in frames(one.gossip.tick(Millis(START + later)), FrameKind.RECORDS_WANT)
    ]
    assert asked == [A]
    assert len(one.gossip.pulls) == 0
