"""How far something long is, for whoever looks on."""

from collections.abc import Callable

Progress = Callable[[int, int, str], bool]
"""Hears virtual ms done, virtual ms in all, what is going on; answers whether to break the story off there."""

Steps = Callable[[int, int, str], None]
"""Hears steps done, steps in all, what is made: what cannot be gone on with later, before a story's time begins."""


def unheard(_done: int, _total: int, _what: str) -> None:
    """Tell nobody."""
