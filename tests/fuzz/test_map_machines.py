"""Any bytes at the door of gossip and reconciliation give effects, never an exception, and bounded tables."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.map.gossip import KINDS as GOSSIP_KINDS
from net.core.map.reconcile import KINDS as RANGE_KINDS
from net.core.wire.delta import delta_between
from net.core.wire.fault import Fault
from net.core.wire.frame import FrameKind, ToPeer
from net.core.wire.gossip import (
    ALL_LANES,
    RecordsWant,
    Turn,
    encode_equivocation,
    encode_have,
    encode_records,
    encode_want,
    record_name,
)
from net.core.wire.reconcile import (
    HEAD_MAX,
    SUM_MAX,
    Busy,
    Compare,
    Differences,
    Fetch,
    Range,
    Records,
    Summary,
    encode_range_answer,
    encode_range_ask,
)
from net.core.wire.record import encode_record
from tests.helpers.map_world import START, Node, identity, record, remembering_checks

PEERS = [identity(number).peer for number in range(1, 4)]
RAW = [
    encode_record(record(identity(number), seq=START + step, uplink=uplink))
    for number in range(4)
    for step in range(3)
    for uplink in (1, 2)
]
DELTAS = [delta for old, new in pairwise(RAW) for delta in (delta_between(old, new),) if delta is not None]
CHECKS = remembering_checks()

raws = st.lists(
    st.sampled_from(RAW) | st.sampled_from(DELTAS) | st.binary(min_size=1, max_size=64), min_size=1, max_size=5
)
prefixes = st.sampled_from([peer[:12] for peer in PEERS]) | st.just(bytes(12))
names = st.lists(
    st.builds(
        record_name, st.sampled_from([peer[:12] for peer in PEERS]) | st.just(bytes(12)), st.integers(0, 2**32 - 1)
    ),
    min_size=1,
    max_size=4,
)
ranges = st.tuples(st.integers(0, HEAD_MAX), st.integers(0, HEAD_MAX)).map(lambda ends: Range(min(ends), max(ends)))
sessions = st.integers(0, 40)
summaries = st.lists(
    st.builds(Summary, ranges, st.integers(0, 9), st.integers(0, SUM_MAX)), min_size=1, max_size=4
).map(tuple)
bodies = st.one_of(
    st.tuples(st.sampled_from(sorted(GOSSIP_KINDS | RANGE_KINDS)), st.binary(max_size=200)),
    raws.map(lambda items: (FrameKind.RECORDS, encode_records(items))),
    names.map(lambda items: (FrameKind.RECORDS_HAVE, encode_have(items))),
    st.builds(RecordsWant, st.sampled_from(Turn), names.map(tuple), st.integers(1, ALL_LANES)).map(
        lambda want: (FrameKind.RECORDS_WANT, encode_want(want))
    ),
    st.tuples(st.sampled_from(RAW), st.sampled_from(RAW)).map(
        lambda pair: (FrameKind.EQUIVOCATION, encode_equivocation(*pair))
    ),
    st.one_of(
        st.builds(Fetch, sessions, ranges),
        st.builds(Compare, sessions, st.binary(min_size=16, max_size=16), summaries),
    ).map(lambda ask: (FrameKind.RANGE_ASK, encode_range_ask(ask))),
    st.one_of(
        st.builds(Records, sessions, final=st.just(True), rest=st.none(), records=raws.map(tuple)),
        st.builds(Records, sessions, final=st.just(True), rest=st.integers(0, HEAD_MAX), records=raws.map(tuple)),
        st.builds(Busy, sessions, st.integers(0, 5000)),
        st.builds(Differences, sessions, summaries, st.just(())),
    ).map(lambda answer: (FrameKind.RANGE, encode_range_answer(answer))),
)
steps = st.lists(st.tuples(st.sampled_from(PEERS), bodies, st.integers(0, 3000)), max_size=25)


@given(steps)
@settings(max_examples=60, deadline=None)
def test_any_frames_in_any_order(frames: list[tuple[PeerId, tuple[FrameKind, bytes], int]]) -> None:
    node = Node(identity(0), CHECKS)
    node.gossip.start(START)
    node.gossip.allow_signing(START)
    for peer in PEERS:
        node.gossip.link_up(peer, START)
        node.reconciler.link_up(peer, START)
    now = START
    for peer, (kind, body), wait in frames:
        now = Millis(now + wait)
        machine = node.gossip if kind in GOSSIP_KINDS else node.reconciler
        for effect in machine.receive(peer, kind, body, now):
            if isinstance(effect, ToPeer):
                assert len(effect.body) < 16 * 1024
            if isinstance(effect, Fault):
                assert effect.peer in PEERS
        node.gossip.tick(now)
        node.reconciler.tick(now)
    table = node.map.table()
    assert len(table) == len(node.map) <= 4
