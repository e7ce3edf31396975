"""How secrets come in: from a file or a hidden prompt, never from the command line or a pipe by accident."""

import sys
from pathlib import Path

import click

from cli.wallet.errors import BadKeyFile, NoPassword

MAX_SECRET_BYTES = 4_096
"""Longest file of a password, a key or a mnemonic that is read."""


def read_secret(file: Path, what: str) -> str:
    """Return the first line of a file, blanks included: a password typed at the prompt keeps them too.

    Raises `BadKeyFile`, which never quotes the content.
    """
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_SECRET_BYTES + 1)
    except OSError as error:
        raise BadKeyFile(f"cannot read the {what} in {file}: {error.strerror}") from None
    if len(raw) > MAX_SECRET_BYTES:
        raise BadKeyFile(f"{file} is too long for a {what}")
    try:
        lines = raw.decode().splitlines()
    except UnicodeDecodeError:
        raise BadKeyFile(f"the {what} in {file} is no text in UTF-8") from None
    if not lines or not lines[0].strip():
        raise BadKeyFile(f"the {what} in {file} is empty")
    return lines[0]


def at_terminal() -> bool:
    """Tell whether somebody can be asked."""
    return sys.stdin.isatty()


def ask_secret(prompt: str, instead: str, *, twice: bool = False) -> str:
    """Ask at the terminal without echo. Raises `NoPassword` where there is none; `instead` names the flag to use."""
    if not at_terminal():
        raise NoPassword(f"{prompt.lower()}: standard input is no terminal to ask at; give {instead}")
    return str(click.prompt(prompt, hide_input=True, confirmation_prompt=twice, err=True))


def password(file: Path | None, prompt: str, *, flag: str = "--password-file", twice: bool = False) -> str:
    """Return a password from the first line of a file, or ask for it. Raises `BadKeyFile` or `NoPassword`."""
    return read_secret(file, "password") if file is not None else ask_secret(prompt, flag, twice=twice)
