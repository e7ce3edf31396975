"""The journal keeps what was appended, in order, across a reopening."""

from storage.journal import Journal
from storage.memory import MemoryStore


def test_records_come_back_in_order() -> None:
    """Numbers order the records, also past one byte."""
    store = MemoryStore()
    journal = Journal(store)
    for number in (0, 255, 256, 70_000):
        journal.append(number, b"record %d" % number)
    journal.delete((255, 999))
    again = Journal(store.reopen())
    assert list(again.records()) == [(0, b"record 0"), (256, b"record 256"), (70_000, b"record 70000")]
