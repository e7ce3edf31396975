"""Progress: at most a line a second, with the time left."""

from cli.chain_file.pace import Pace


def test_a_line_a_second() -> None:
    clock, lines = iter([0.0, 0.5, 2.0, 2.5, 300.0, 10_000.0]), list[str]()
    pace = Pace(lambda: next(clock), lines.append)
    for blocks, share in ((10, 0.01), (400, 0.25), (500, 0.3), (600, 0.3), (9_000, 0.5)):
        pace(blocks, share)
    assert lines == [
        "400 blocks, 200 a second, 25%, 6 s left",
        "600 blocks, 2 a second, 30%, 11 min left",
        "9000 blocks, 1 a second, 50%, 2 h 46 min left",
    ]


def test_without_an_end_in_sight() -> None:
    clock, lines = iter([0.0, 5.0]), list[str]()
    Pace(lambda: next(clock), lines.append)(10, None)
    assert lines == ["10 blocks, 2 a second"]


def test_nothing_done_yet() -> None:
    clock, lines = iter([0.0, 5.0]), list[str]()
    Pace(lambda: next(clock), lines.append)(0, 0.0)
    assert lines == ["0 blocks, 0 a second, 0%, 0 s left"]
