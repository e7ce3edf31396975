"""Secrets come from a file's first line or a hidden prompt."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli.wallet import secrets_in
from cli.wallet.errors import BadKeyFile, NoPassword
from cli.wallet.secrets_in import MAX_SECRET_BYTES, password, read_secret


@click.command()
def ask() -> None:
    """Ask for a new password and show that it arrived."""
    click.echo(len(password(None, "Password", twice=True)))


def test_a_prompt_hides_what_is_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets_in, "at_terminal", lambda: True)
    result = CliRunner().invoke(ask, input="hidden words\nhidden words\n")
    assert result.stdout.strip() == "12"
    assert "hidden" not in result.output
    assert CliRunner().invoke(ask, input="one\ntwo\n").exit_code != 0, "a slip is asked again, then input ends"


def test_nobody_is_asked_without_a_terminal() -> None:
    result = CliRunner().invoke(ask, input="piped\npiped\n")
    assert isinstance(result.exception, NoPassword)
    assert "--password-file" in str(result.exception)


@pytest.mark.parametrize(
    ("content", "text"),
    [(b"", "empty"), (b"\n", "empty"), (b"  \nsecond", "empty"), (b"\xff\xfe", "UTF-8"), (b"x" * 5000, "too long")],
)
def test_a_useless_file_is_named_and_not_quoted(tmp_path: Path, content: bytes, text: str) -> None:
    file = tmp_path / "secret"
    file.write_bytes(content)
    with pytest.raises(BadKeyFile, match=text) as error:
        read_secret(file, "password")
    assert "second" not in str(error.value)
    with pytest.raises(BadKeyFile, match="cannot read"):
        read_secret(tmp_path / "nowhere", "password")
    assert len(content) < MAX_SECRET_BYTES or text == "too long"


def test_a_password_opens_from_a_file_as_it_was_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "secret"
    file.write_bytes(b" pass word \r\nnotes\n")
    monkeypatch.setattr(secrets_in, "at_terminal", lambda: True)
    typed = CliRunner().invoke(ask, input=" pass word \n pass word \n")
    assert int(typed.stdout.strip()) == len(password(file, "Password")) == len(" pass word ")


def test_only_the_first_line_counts(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("pass word\nnotes below\n")
    assert password(file, "Password") == "pass word"
