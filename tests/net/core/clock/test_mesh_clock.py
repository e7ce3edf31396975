"""The mesh clock: agreement before signing, the median among liars, slow steering."""

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.clock.mesh_clock import AGREE, AHEAD_MAX, SLEW_PPM, SOURCES_MAX, TRIP_MAX, MeshClock

START = Millis(1_750_000_000_000)


def peer(number: int) -> PeerId:
    return PeerId(number.to_bytes(32, "big"))


def tell(clock: MeshClock, number: int, offset: int, *, contact: int, trip: int = 100, now: int = START) -> None:
    """Sample a peer whose mesh clock is `offset` ms ahead of the driver's, over a round trip of `trip` ms."""
    at = Millis(now - trip // 2 + offset)
    clock.sample(peer(number), peer(contact), asked=Millis(now - trip), received=at, sent=at, now=Millis(now))


def test_three_ids_of_two_contacts_agree() -> None:
    clock = MeshClock(trusted=False)
    for number, contact in ((1, 1), (2, 1), (3, 1)):
        tell(clock, number, 5_000, contact=contact)
    clock.tick(START)
    assert not clock.statistics().agreed
    tell(clock, 4, 5_020, contact=2)
    assert clock.tick(START) is None
    assert clock.statistics().agreed
    assert abs(clock.mesh_time(START) - START - 5_000) <= 60


def test_ids_that_disagree_do_not_agree() -> None:
    clock = MeshClock(trusted=False)
    for number in range(3):
        tell(clock, number, number * 25_000, contact=number)
    clock.tick(START)
    assert not clock.statistics().agreed


def test_a_network_far_ahead_is_not_followed() -> None:
    clock = MeshClock(trusted=False)
    for number in range(4):
        tell(clock, number, AHEAD_MAX + 5_000, contact=number)
    complaint = clock.tick(START)
    assert complaint is not None
    assert "ahead" in complaint
    assert not clock.statistics().agreed
    assert clock.mesh_time(START) == START


def test_a_trusted_clock_needs_nobody() -> None:
    clock = MeshClock(trusted=True)
    assert clock.statistics().agreed
    assert clock.mesh_time(START) == START


def test_a_third_of_liars_does_not_move_the_median() -> None:
    clock = MeshClock(trusted=True)
    for number in range(6):
        tell(clock, number, number, contact=number)
    for number in range(6, 9):
        tell(clock, number, 3_600_000, contact=number)
    clock.tick(START)
    clock.tick(Millis(START + 1_000))
    assert abs(clock.statistics().target) <= 60
    assert abs(clock.mesh_time(Millis(START + 1_000)) - START - 1_000) <= 1


def test_an_agreed_clock_is_steered_slowly_and_never_runs_backwards() -> None:
    clock = MeshClock(trusted=True)
    before = clock.mesh_time(START)
    for step in range(1, 101):
        now = Millis(START + step * 1_000)
        for number in range(5):
            tell(clock, number, -2_000, contact=number, now=now)
        clock.tick(now)
        after = clock.mesh_time(now)
        assert after > before
        assert after - before >= 1_000 - SLEW_PPM // 1_000 - 2
        before = after
    assert -60 <= clock.statistics().offset <= -40


def test_samples_are_bounded_and_impossible_ones_ignored() -> None:
    clock = MeshClock(trusted=True)
    for number in range(SOURCES_MAX + 50):
        tell(clock, number, 0, contact=number)
    assert clock.statistics().sources == SOURCES_MAX
    clock = MeshClock(trusted=True)
    clock.sample(peer(1), peer(1), asked=START, received=Millis(START - 500), sent=Millis(START + 500), now=START)
    assert clock.statistics().sources == 0


def test_an_id_that_claims_to_have_answered_before_it_was_asked_supports_nobody() -> None:
    clock = MeshClock(trusted=False)
    tell(clock, 1, 0, contact=1)
    tell(clock, 2, 0, contact=1)
    any_time = {"received": Millis(2 * START), "sent": Millis(0)}  # an interval that holds whatever others tell
    clock.sample(peer(3), peer(3), asked=Millis(START - 100), now=START, **any_time)
    clock.tick(START)
    assert not clock.statistics().agreed
    assert clock.statistics().sources == 2


YEARS = 315_360_000_000


def test_a_first_contact_alone_cannot_set_an_unsure_clock() -> None:
    for offset in (-YEARS, -2 * AGREE, 2 * AGREE):
        clock = MeshClock(trusted=False)
        clock.coarse(peer(1), peer(1), Millis(START + offset), START)
        for number in range(2, 9):
            tell(clock, number, offset, contact=1)  # accomplices that it introduces
        clock.tick(START)
        assert clock.mesh_time(START) == START
        tell(clock, 10, 20, contact=2)
        clock.tick(START)
        assert abs(clock.mesh_time(START) - START) <= 100, "the own clock and an honest contact"
        assert not clock.agreed


def test_two_first_contacts_set_a_wrong_clock() -> None:
    for offset in (-3_600_000, 30_000):
        clock = MeshClock(trusted=False)
        tell(clock, 1, offset, contact=1)
        clock.tick(START)
        assert clock.mesh_time(START) == START
        tell(clock, 2, offset, contact=2)
        clock.tick(START)
        assert abs(clock.mesh_time(START) - START - offset) <= 100
        assert not clock.agreed
        tell(clock, 3, offset, contact=2)
        clock.tick(START)
        assert clock.agreed


def test_of_contacts_that_contradict_each_other_the_one_nearest_to_the_own_clock_counts() -> None:
    clock = MeshClock(trusted=False)
    for number, offset in ((1, -9_000), (2, -200), (3, 9_000)):
        tell(clock, number, offset, contact=number)
    clock.tick(START)
    assert abs(clock.mesh_time(START) - START + 200) <= 60


def test_an_answer_that_was_delayed_says_nothing() -> None:
    clock = MeshClock(trusted=True)
    tell(clock, 1, 0, contact=1, trip=TRIP_MAX + 1)
    assert clock.statistics().sources == 0
    tell(clock, 1, 0, contact=1, trip=TRIP_MAX)
    assert clock.statistics().sources == 1
