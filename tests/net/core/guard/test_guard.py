"""The guard: floods, costs, faults."""

from chain.primitives.errors import Penalty
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.guard.guard import (
    ARGON2_BURST,
    LINKS_MAX,
    SIGNATURE_BURST,
    SWEEP_EVERY,
    Admission,
    Guard,
)
from net.core.guard.limits import ALLOWANCES
from net.core.map._spread import GOSSIP_BUDGET
from net.core.wire.fault import Fault, Spent
from net.core.wire.frame import FrameKind

START = Millis(1_800_000_000_000)


def peer(number: int) -> PeerId:
    return PeerId(number.to_bytes(32, "big"))


def test_a_flood_is_dropped_and_then_closed_within_five_seconds() -> None:
    guard = Guard()
    now, outcomes = START, []
    while Admission.CLOSE not in outcomes:
        outcomes.append(guard.admit(peer(1), FrameKind.PING, 20, now))
        now = Millis(now + 1)
    assert now - START < 5_000
    assert outcomes.count(Admission.DROP) > 100  # one late frame is no flood
    assert guard.banned(peer(1), now)
    assert guard.admit(peer(2), FrameKind.PING, 20, now) is Admission.PASS
    assert guard.statistics().dropped[FrameKind.PING] == outcomes.count(Admission.DROP) + 1


def test_an_honest_rate_is_never_dropped() -> None:
    guard = Guard()
    for second in range(600):
        for kind in (FrameKind.PING, FrameKind.RECORDS, FrameKind.RECORDS_HAVE):
            size = min(8_000, ALLOWANCES[kind].bytes_second)
            assert guard.admit(peer(1), kind, size, Millis(START + 1000 * second)) is Admission.PASS


def test_checks_are_counted_per_link() -> None:
    guard = Guard()
    assert guard.spent(Spent(peer(1), argon2=ARGON2_BURST, signatures=SIGNATURE_BURST), START) is None
    now, ban = START, None
    while ban is None:
        ban = guard.spent(Spent(peer(1), argon2=1_000, signatures=0), now)
        now = Millis(now + 1000)
        assert now < START + 60_000
    assert guard.statistics().argon2 > ARGON2_BURST
    assert guard.spent(Spent(peer(2), argon2=1, signatures=1), now) is None


def test_penalties() -> None:
    guard = Guard()
    assert guard.fault(Fault(peer(1), Penalty.NONE, "slow"), START) is None
    assert guard.fault(Fault(peer(1), Penalty.STRIKE, "stalls"), START) is None
    ban = guard.fault(Fault(peer(1), Penalty.BAN, "forged"), START)
    assert ban is not None
    assert guard.bans(START) == [ban]
    assert Guard(guard.snapshot()).banned(peer(1), START)
    assert guard.unban(peer(1))
    assert not guard.banned(peer(1), START)
    assert (guard.statistics().strikes, guard.statistics().bans) == (1, 1)


def test_links_are_bounded() -> None:
    guard = Guard()
    for number in range(LINKS_MAX * 3):
        guard.admit(peer(number), FrameKind.PING, 1, START)
    assert len(guard._links) == LINKS_MAX
    guard.link_closed(peer(LINKS_MAX * 3 - 1))
    assert len(guard._links) == LINKS_MAX - 1


def test_sweeping() -> None:
    guard = Guard()
    assert guard.deadline() is None
    guard.tick(START)
    assert guard.deadline() == START + SWEEP_EVERY


def test_whoever_passes_on_what_many_new_ids_signed_is_not_at_fault() -> None:
    """Ten thousand ids, made at leisure and shown at once, reach a node through its honest neighbours."""
    guard = Guard()
    each_second = GOSSIP_BUDGET // 300
    for second in range(10_000 // each_second):
        now = Millis(START + second * 1_000)
        assert guard.spent(Spent(peer(1), argon2=each_second, signatures=each_second), now) is None
    assert guard.statistics().strikes == 0
