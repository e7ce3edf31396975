"""How facts of the RPC are written for people."""

from datetime import UTC, datetime

from cli.rpc_client import RpcRefused, integer


def when(millis: object) -> str:
    """Return a moment, given in ms since the epoch."""
    moment = integer(millis)
    try:
        return datetime.fromtimestamp(moment / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        raise RpcRefused(0, f"the node answered {moment} where a time was expected") from None


def seconds(millis: object) -> str:
    """Return a duration, given in ms; null is none."""
    return "no time" if millis is None else f"{integer(millis) / 1000:.1f} s"


def size_text(count: object) -> str:
    """Return a number of bytes in the unit that suits it."""
    size = float(integer(count))
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError("the last unit always fits")
