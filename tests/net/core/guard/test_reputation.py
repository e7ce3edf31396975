"""Strikes fade, bans end, tables are bounded, all of it survives a restart."""

import pytest

from chain.primitives.canonical import pack
from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.guard import reputation
from net.core.guard.reputation import (
    BAN_LONGEST,
    BAN_STRIKES,
    BAN_STRUCK,
    REASON_MAX,
    STRIKE_HALF_LIFE,
    Reputation,
)

START = Millis(1_800_000_000_000)
HOUR = 3_600_000


def peer(number: int) -> PeerId:
    return PeerId(number.to_bytes(32, "big"))


def test_strikes_at_once_lead_to_a_ban_and_slow_ones_do_not() -> None:
    book = Reputation()
    bans = [book.strike(peer(1), "stalls", START) for _ in range(BAN_STRIKES)]
    assert bans[:-1] == [None] * (BAN_STRIKES - 1)
    assert bans[-1] is not None
    assert bans[-1].until == START + BAN_STRUCK
    assert book.banned(peer(1), Millis(START + BAN_STRUCK - 1))
    assert not book.banned(peer(1), Millis(START + BAN_STRUCK))
    slow = [book.strike(peer(2), "stalls", Millis(START + turn * STRIKE_HALF_LIFE)) for turn in range(50)]
    assert slow == [None] * 50
    assert book.strikes(peer(2), Millis(START + 49 * STRIKE_HALF_LIFE)) == 2


def test_strikes_halve() -> None:
    book = Reputation()
    for _ in range(4):
        book.strike(peer(1), "stalls", START)
    levels = [book.strikes(peer(1), Millis(START + turn * STRIKE_HALF_LIFE)) for turn in range(4)]
    assert levels == [4, 2, 1, 1]
    book.sweep(Millis(START + 9 * STRIKE_HALF_LIFE))
    assert book.strikes(peer(1), START) == 0


def test_bans_double_up_to_the_longest() -> None:
    book, now, lengths = Reputation(), START, []
    for _ in range(12):
        ban = None
        while ban is None:
            ban = book.strike(peer(1), "stalls", now)
        lengths.append(ban.until - now)
        now = ban.until
    assert lengths[:3] == [BAN_STRUCK, 2 * BAN_STRUCK, 4 * BAN_STRUCK]
    assert max(lengths) == lengths[-1] == BAN_LONGEST


def test_a_shorter_ban_does_not_end_a_longer_one() -> None:
    book = Reputation()
    book.ban(peer(1), "forged", Millis(5 * HOUR), START)
    book.ban(peer(1), "stalls", Millis(HOUR), START)
    assert book.banned(peer(1), Millis(START + 4 * HOUR))


def test_unban() -> None:
    book = Reputation()
    book.ban(peer(1), "x" * 1000, Millis(HOUR), START)
    assert [ban.reason for ban in book.bans(START)] == ["x" * REASON_MAX]
    assert book.unban(peer(1))
    assert not book.unban(peer(1))
    assert book.bans(START) == []


def test_tables_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reputation, "STRUCK_MAX", 20)
    monkeypatch.setattr(reputation, "BANS_MAX", 10)
    book = Reputation()
    for _ in range(3):
        book.strike(peer(0), "worst", START)
    for number in range(1, 200):
        book.strike(peer(number), "once", START)
        book.ban(peer(number + 1000), "forged", Millis(HOUR + number), START)
    assert book.strikes(peer(0), START) == 3
    assert len(book._struck) == 20
    assert [ban.peer for ban in book.bans(START)] == [peer(number + 1000) for number in range(199, 189, -1)]


def test_snapshots() -> None:
    book = Reputation()
    for _ in range(3):
        book.strike(peer(1), "stalls", START)
    book.ban(peer(2), "forged", Millis(HOUR), START)
    again = Reputation(book.snapshot())
    assert again.bans(START) == book.bans(START)
    assert again.strikes(peer(1), START) == 3
    assert again.snapshot() == book.snapshot()


@pytest.mark.parametrize("raw", [b"x", pack([2, [], []]), pack([1, [[1]], []]), pack([1, [], [[b"short", 1, 1]]])])
def test_damaged_snapshots(raw: bytes) -> None:
    with pytest.raises(Malformed):
        Reputation(raw)
