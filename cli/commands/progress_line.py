"""The one line in which a command says how far it is, on a terminal alone: it goes to standard error, over itself."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from time import monotonic

import click

SHOWN_EVERY = 1.0
"""Seconds between two times that `elapsing` shows."""


def show_line(text: str) -> None:
    """Show a text in place of the one before."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", err=True, nl=False)


def clear_line() -> None:
    """Take the last text away: what is printed next begins where it stood."""
    show_line("")


@contextmanager
def elapsing(doing: str) -> Iterator[None]:
    """Show for how long something has been going on that cannot tell how far it is; take the text away at its end."""
    began, over = monotonic(), Event()

    def show() -> None:
        while not over.wait(SHOWN_EVERY):
            show_line(f"{doing}, {monotonic() - began:.0f} s")

    showing = Thread(target=show, daemon=True)
    showing.start()
    try:
        yield
    finally:
        over.set()
        showing.join()
        clear_line()
