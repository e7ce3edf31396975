from chain.primitives.units import ZERO_HASH, Millis
from consensus.shares import (
    MAX_NONCES,
    MAX_WORKER_NAME,
    MAX_WORKERS,
    RATE_SHARES,
    SHARE_BITS,
    SHARE_LOG_TARGET,
    ShareBook,
    ShareVerdict,
    meets_share,
    worker_rate,
)


def test_a_share_shows_two_to_the_share_bits_hashes() -> None:
    limit = 1 << (SHARE_LOG_TARGET >> 16)
    assert meets_share(limit - 1)
    assert not meets_share(limit)
    assert (1 << 256) // limit == 1 << SHARE_BITS


def test_the_rate_is_estimated_from_the_last_shares_and_falls_in_silence() -> None:
    book = ShareBook()
    for index in range(100):
        book.count("rig", ShareVerdict.SHARE, Millis(2_000 * index), shown=True)
    account = book.accounts()["rig"]
    assert account.shares == 100
    assert len(account.recent) == RATE_SHARES
    assert worker_rate(account, account.last_seen) == 512.0
    assert worker_rate(account, Millis(account.last_seen + 30_000)) == 256.0


def test_one_share_tells_no_rate() -> None:
    book = ShareBook()
    book.count("rig", ShareVerdict.SHARE, Millis(5), shown=True)
    assert worker_rate(book.accounts()["rig"], Millis(9)) == 0.0


def test_what_workers_make_grow_is_bounded() -> None:
    book = ShareBook()
    for index in range(MAX_WORKERS + 10):
        book.count(f"rig {index}", ShareVerdict.STALE, Millis(index))
    assert len(book.accounts()) == MAX_WORKERS
    assert "rig 9" not in book.accounts()
    book.count("x" * 1_000, ShareVerdict.WEAK, Millis(0))
    assert "x" * MAX_WORKER_NAME in book.accounts()
    for index in range(MAX_NONCES + 1):
        book.remember(ZERO_HASH, index.to_bytes(8, "big"))
    assert not book.knows(ZERO_HASH, bytes(8))
    assert book.knows(ZERO_HASH, MAX_NONCES.to_bytes(8, "big"))


def test_made_up_names_do_not_wipe_what_others_have_earned() -> None:
    book = ShareBook()
    for index in range(3):
        book.count("honest", ShareVerdict.SHARE, Millis(index), shown=True)
    for index in range(2 * MAX_WORKERS):
        book.count(f"made up {index}", ShareVerdict.STALE, Millis(10 + index))
    assert book.accounts()["honest"].shares == 3
    assert len(book.accounts()) == MAX_WORKERS


def test_of_workers_with_shares_the_one_silent_longest_is_forgotten() -> None:
    book = ShareBook()
    for index in range(MAX_WORKERS):
        book.count(f"rig {index}", ShareVerdict.SHARE, Millis(index), shown=True)
    book.count("rig 0", ShareVerdict.SHARE, Millis(MAX_WORKERS), shown=True)
    book.count("new", ShareVerdict.SHARE, Millis(MAX_WORKERS + 1), shown=True)
    assert {"rig 0", "new"} <= set(book.accounts())
    assert "rig 1" not in book.accounts()
