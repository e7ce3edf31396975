"""The healing flag: when it goes up and down, for whom it makes room, and that no record breaks the caps."""

import pytest

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.overlay.healing import _TABLE, HEAL_LONGEST, Event, Healing, Stage, Wish

FAR = frozenset(PeerId(bytes((number,)) * 32) for number in range(1, 5))
NEAR = PeerId(bytes(32))


def wish(until: int = 600_000) -> Wish:
    return Wish(FAR, 2, Millis(until))


def raised(state: Healing) -> bool:
    return state.raised


def healing() -> Healing:
    return Healing(cap=24, cap_heal=32)


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("stage", Stage)
def test_every_event_has_its_place(stage: Stage, event: Event) -> None:
    assert (stage, event) in _TABLE


def test_the_flag_goes_up_before_the_first_link_past_the_cap_and_only_for_those_across() -> None:
    state = healing()
    state.mend(wish())
    assert not raised(state)
    assert {state.cap_for(peer) for peer in FAR} == {24}
    assert state.advance(Millis(1), listed=20)
    assert raised(state)
    assert {state.cap_for(peer) for peer in FAR} == {32}
    assert state.cap_for(NEAR) == 24
    assert not state.advance(Millis(2), listed=30)


def test_the_flag_goes_down_with_the_last_link_past_the_cap() -> None:
    state = healing()
    state.mend(wish())
    state.advance(Millis(1), listed=20)
    state.mended()
    assert not state.advance(Millis(2), listed=25)
    assert state.stage is Stage.SHEDDING
    assert {state.cap_for(peer) for peer in FAR} == {24}
    assert state.across(next(iter(FAR)))
    assert state.advance(Millis(3), listed=24)
    assert not raised(state)


def test_a_wish_ends_by_itself() -> None:
    state = healing()
    state.mend(wish(until=1_000))
    assert state.advance(Millis(1), listed=5)
    assert state.advance(Millis(1_000), listed=5)
    assert state.wish is None


def test_a_cut_that_stays_weak_for_ever_does_not_keep_the_flag_up_for_ever() -> None:
    state, up, changes = healing(), 0, 0
    step = 60_000
    for now in range(0, 4 * HEAL_LONGEST, step):
        state.mend(wish(until=now + 600_000))
        changes += state.advance(Millis(now), listed=20)
        up += raised(state) * step
        assert state.wish is not None
    assert changes == 4
    assert abs(up - 2 * HEAL_LONGEST) <= 2 * step
