"""Log lines: a text form for people, a JSON form for collectors. A peer cannot fill the log: repeats are counted."""

import json
import logging
import sys
import time

REPEAT_SECONDS = 60.0
"""A line with the same template and context is shown once in this time; the next one tells how many were left out."""

MAX_TEMPLATES = 1024
"""Templates remembered; above, all are forgotten."""


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "time": round(record.created, 3),
            "level": record.levelname.lower(),
            "part": record.name,
            "text": record.getMessage(),
        }
        if record.exc_info:
            entry["trace"] = self.formatException(record.exc_info)
        return json.dumps(entry)


class _TextFormatter(logging.Formatter):
    default_msec_format = "%s.%03d"

    def __init__(self) -> None:
        super().__init__("{asctime} {levelname:<7} {name:<9} {message}", style="{")


class RepeatFilter(logging.Filter):
    """Lets one line of each template through a minute, except errors."""

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Decide on one record, in place of `logging.Filter.filter`."""
        if record.levelno >= logging.ERROR or not getattr(record, "repeats", False):
            return True
        key = (record.name, str(record.msg))
        now = time.monotonic()
        shown, hidden = self._seen.get(key, (-REPEAT_SECONDS, 0))
        if now - shown < REPEAT_SECONDS:
            self._seen[key] = (shown, hidden + 1)
            return False
        if hidden:
            record.msg = f"{record.msg} (and {hidden} more like it)"
        if len(self._seen) >= MAX_TEMPLATES:
            self._seen.clear()
        self._seen[key] = (now, 0)
        return True


def set_up_logs(level: str, form: str) -> None:
    """Send the logs of all parts to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter() if form == "json" else _TextFormatter())
    handler.addFilter(RepeatFilter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("aiortc", "aioice", "aiohttp.access", "asyncio"):
        logging.getLogger(noisy).setLevel(max(logging.WARNING, root.level))
