"""What is counted against a neighbour, and what is not."""

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.relay.conduct import KEYS_MAX, PATIENCE, Conduct, Tally

PEER = PeerId(b"p" * 32)
NOW = Millis(1_000)


def make() -> Conduct:
    conduct = Conduct()
    conduct.linked(PEER)
    return conduct


def test_a_first_copy_is_useful_and_a_late_one_innocent() -> None:
    conduct = make()
    conduct.delivered(PEER, b"first", new=True)
    conduct.delivered(PEER, b"late", new=False)
    assert conduct.of(PEER) == Tally(useful=1)


def test_the_same_thing_twice_is_a_repetition_and_what_it_was_given_an_echo() -> None:
    conduct = make()
    for _ in range(3):
        conduct.delivered(PEER, b"key", new=False)
    conduct.gave(PEER, b"given")
    conduct.delivered(PEER, b"given", new=False)
    assert conduct.of(PEER) == Tally(repeated=2, given=1, echoed=1)


def test_an_answer_counts_however_late_and_silence_past_patience_is_a_stall() -> None:
    conduct = make()
    conduct.asked(PEER, b"slow", NOW)
    conduct.asked(PEER, b"never", Millis(NOW + 10))
    assert conduct.deadline() == NOW + PATIENCE
    assert conduct.stalled(Millis(NOW + PATIENCE - 1)) == []
    conduct.delivered(PEER, b"slow", new=False)
    assert not conduct.awaits(PEER, b"slow")
    assert conduct.stalled(Millis(NOW + PATIENCE + 10)) == [PEER]
    assert conduct.of(PEER) == Tally(useful=1, stalled=1)
    assert conduct.deadline() is None


def test_every_list_of_keys_is_bounded() -> None:
    conduct = make()
    for number in range(3 * KEYS_MAX):
        key = number.to_bytes(16, "big")
        conduct.asked(PEER, key, NOW)
        conduct.gave(PEER, key)
        conduct.delivered(PEER, b"x" + key, new=False)
    kept = conduct._neighbours[PEER]
    assert len(kept.asked) == len(kept.given) == len(kept.got) == KEYS_MAX


def test_strangers_are_not_counted_and_the_gone_forgotten() -> None:
    conduct = make()
    conduct.delivered(PEER, b"key", new=True)
    conduct.unlinked(PEER)
    conduct.delivered(PEER, b"key", new=True)
    conduct.gave(PEER, b"key")
    conduct.asked(PEER, b"key", NOW)
    assert conduct.of(PEER) == Tally()
    assert conduct.stalled(Millis(NOW + PATIENCE)) == []
