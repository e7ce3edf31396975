"""The own slots on plain values: whom a slot prefers, which links a node has no need of."""

from random import Random

import pytest

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.config import MeshConfig
from net.core.overlay.slots import AVOID_LONGEST, AVOIDED_MAX, Slots
from net.core.wire.signal import Refusal

PEERS = [PeerId(number.to_bytes(32, "big")) for number in range(1, 200)]


def slots() -> Slots:
    return Slots(MeshConfig(network_id=bytes(32), id_difficulty=1), Random(1).randbytes)


def test_only_a_smaller_hash_is_better_than_the_holder() -> None:
    some = slots()
    order = some.best(3, PEERS, len(PEERS))
    assert some.better(3, order[0], PEERS) is None
    assert some.better(3, order[7], PEERS) == order[0]
    assert some.better(3, order[7], order[8:]) is None
    assert some.better(3, order[7], []) is None


@pytest.mark.parametrize(
    ("listed", "own", "spare"), [(12, 8, 0), (13, 8, 1), (16, 8, 2), (20, 6, 0), (13, 12, 1), (24, 12, 6)]
)
def test_own_links_beyond_the_core_are_spare_over_twelve(listed: int, own: int, spare: int) -> None:
    assert slots().spare(listed=listed, own=own) == spare


def test_a_silent_peer_is_left_out_for_a_minute_and_longer_when_it_answers_no_dial() -> None:
    some, peer = slots(), PEERS[0]
    some.silent(peer, Millis(1_000))
    assert some.avoided(Millis(60_999)) == [peer]
    assert some.avoided(Millis(61_000)) == []
    some.failed(0, peer, Refusal.FAILED, Millis(61_000))
    assert some.avoided(Millis(180_999)) == [peer]
    some.succeeded(peer)
    assert some.avoided(Millis(61_001)) == []
    for moment in range(200_000, 220_000):
        some.silent(PeerId(moment.to_bytes(32, "big")), Millis(moment))
    assert len(some.avoided(Millis(220_000))) == AVOIDED_MAX


def test_to_fall_silent_shortens_no_longer_absence() -> None:
    """Who refused may call, fall silent, and would be dialled again after a minute."""
    some, peer = slots(), PEERS[0]
    some.failed(0, peer, Refusal.UNWANTED, Millis(0))
    some.silent(peer, Millis(1_000))
    assert some.avoided(Millis(599_999)) == [peer]
    some.silent(peer, Millis(590_000))
    assert some.avoided(Millis(649_999)) == [peer]
    assert some.avoided(Millis(650_000)) == []
    some.failed(0, peer, Refusal.FAILED, Millis(650_000))
    assert some.avoided(Millis(650_000 + AVOID_LONGEST - 1)) == [peer], "how long it has refused is not forgotten"


@pytest.mark.slow
def test_following_the_hash_leaves_ids_that_never_leave_no_advantage() -> None:
    """A slot that always holds the smallest hash among those present holds the immortal with their share of the ids."""
    rng, some, rounds = Random(5), slots(), 150
    immortal, mortal = PEERS[:30], list(PEERS[30:100])
    names = iter(range(1_000, 100_000))
    held = {slot: some.best(slot, [*immortal, *mortal], 1)[0] for slot in range(12)}
    theirs = 0
    for _ in range(rounds):
        for at in rng.sample(range(len(mortal)), 10):
            mortal[at] = PeerId(next(names).to_bytes(32, "big"))
        for slot, holder in held.items():
            there = [*immortal, *mortal]
            kept = holder if holder in there else some.best(slot, there, 1)[0]
            held[slot] = some.better(slot, kept, there) or kept
        if rng.random() < 0.2:
            some.reseed(rng.randrange(12))
        theirs += sum(holder in immortal for holder in held.values())
    assert theirs / (12 * rounds) == pytest.approx(0.30, abs=0.08)
