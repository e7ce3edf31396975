"""The one line in which a command says how far it is, on a terminal alone: it goes to standard error, over itself."""

import sys

import click


def show_line(text: str) -> None:
    """Show a text in place of the one before."""
    if sys.stderr.isatty():
        click.echo(f"\r\x1b[K{text}", err=True, nl=False)


def clear_line() -> None:
    """Take the last text away: what is printed next begins where it stood."""
    show_line("")
