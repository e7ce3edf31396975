"""How facts of the RPC are written for people."""

from datetime import UTC, datetime


def when(millis: object) -> str:
    """Return a moment, given in ms since the epoch."""
    return datetime.fromtimestamp(int(str(millis)) / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def seconds(millis: object) -> str:
    """Return a duration, given in ms; null is none."""
    return "no time" if millis is None else f"{int(str(millis)) / 1000:.1f} s"


def size_text(count: object) -> str:
    """Return a number of bytes in the unit that suits it."""
    size = float(str(count))
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("the last unit always fits")
