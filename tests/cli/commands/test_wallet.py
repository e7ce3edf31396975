"""`wallet` from end to end: real key files, a real chain behind a real server."""

import asyncio
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chain.primitives.errors import NodeError
from chain.primitives.units import COIN
from chain.transaction import SignedTransaction
from cli.exit_codes import ExitCode
from cli.main import cli, exit_code_of
from cli.rpc_client import RpcClient, RpcUnreachable
from cli.wallet.addresses import format_address, parse_address
from cli.wallet.errors import (
    AccountExists,
    BadAddress,
    BadAmount,
    BadKey,
    BadMnemonic,
    InsufficientFunds,
    NoPassword,
    NoSuchAccount,
    TransactionRefused,
    WrongChain,
    WrongPassword,
)
from tests.cli.commands.conftest import PASSWORD, Desk
from tests.helpers.transactions import DEVNET_KEYS, address_of_key, key_of

pytestmark = pytest.mark.slow

RICH = format_address(address_of_key(DEVNET_KEYS[0]))
POOR = format_address(address_of_key(key_of(77)))
FRIEND = "0x" + "c0ffee" * 6 + "beef"
MNEMONIC = "test test test test test test test test test test test junk"


def refused(result: Result, kind: type[NodeError], code: ExitCode) -> str:
    """Check name and exit code of a refusal, and return its text."""
    assert isinstance(result.exception, kind), result.exception
    assert exit_code_of(result.exception) == code
    return str(result.exception)


def queue(desk: Desk) -> list[SignedTransaction]:
    """Return the rich account's transactions that wait."""
    pending, queued = desk.world.pool.content()[parse_address(RICH)]
    return [*pending, *queued]


async def test_a_payment_is_shown_signed_and_mined(desk: Desk) -> None:
    result = await desk.run("wallet", "send", FRIEND, "1.000000000000000001", "--from", RICH, "--yes", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert (facts["mined"], facts["valueWei"], facts["blockNumber"]) == (True, str(COIN + 1), 1)
    for text in ("1.000000000000000001 MND", "fee", "at most", "base fee 1 gwei", "devnet (chain id 156900)"):
        assert text in result.stderr
    head = desk.world.view.head()
    state = desk.world.view.state(head)
    assert state.balance(parse_address(FRIEND)) == COIN + 1
    assert state.balance(parse_address(RICH)) == 9_999 * COIN - 1 - int(facts["feeWei"])
    assert PASSWORD not in result.output
    assert DEVNET_KEYS[0].secret.hex() not in result.output


async def test_an_interrupt_while_it_is_sent_leaves_its_name(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_client: RpcClient, _raw: bytes) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cli.commands.paying.send_transaction", interrupted)
    result = await desk.run("wallet", "send", FRIEND, "1", "--from", RICH, "--yes")
    assert result.exit_code == 1, "Abort, which `main` makes 130 of"
    assert re.search(r"^signed 0x[0-9a-f]{64}$", result.stderr, re.MULTILINE)


async def test_fees_are_what_was_asked_for(desk: Desk) -> None:
    words = ("wallet", "send", FRIEND, "1", "--from", RICH, "--yes", "--tip", "3", "--max-fee", "3.5", "--no-wait")
    result = await desk.run(*words)
    assert result.exit_code == 0, result.output
    (tx,) = desk.world.view.transactions(desk.world.view.head())
    assert (tx.max_priority_fee, tx.max_fee, tx.gas_limit) == (3 * 10**9, 35 * 10**8, 21_000)
    result = await desk.run("wallet", "send", FRIEND, "1", "--from", RICH, "--yes", "--tip", "3", "--max-fee", "2")
    refused(result, BadAmount, ExitCode.USAGE)


@pytest.mark.parametrize("agreed", [False, True])
async def test_a_payment_sent_while_another_waits_for_its_password_is_not_replaced(
    desk: Desk, agreed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both drafts have one nonce, and the second to be signed pays more for gas: it would take the first's place."""
    desk.world.mines = False
    loop = asyncio.get_running_loop()
    words = ("wallet", "send", FRIEND, "--from", RICH, "--no-wait", "--tip")

    def slow(*_: object) -> str:
        monkeypatch.setattr("cli.commands.paying.password", lambda *_: PASSWORD)
        first = asyncio.run_coroutine_threadsafe(desk.run(*words, "1", "1", "--yes"), loop).result()
        assert first.exit_code == 0, first.output
        return PASSWORD

    monkeypatch.setattr("cli.commands.paying.password", slow)
    monkeypatch.setattr("cli.commands.paying.at_terminal", lambda: True)
    second = await desk.run(*words, "2", "2", *(() if agreed else ("--yes",)), given="y\n")
    waiting = [(signed.tx.nonce, signed.tx.value) for signed in queue(desk)]
    if agreed:
        assert "meanwhile" in refused(second, TransactionRefused, ExitCode.REFUSED)
        assert waiting == [(0, COIN)]
    else:
        assert second.exit_code == 0, second.output
        assert waiting == [(0, COIN), (1, 2 * COIN)]
        assert "  nonce    1: another transaction" in second.stderr, "what is signed was shown"


async def test_a_payment_that_is_stuck_is_replaced(desk: Desk) -> None:
    desk.world.mines = False
    words = ("wallet", "send", FRIEND, "1", "--from", RICH, "--yes", "--no-wait")
    stuck = await desk.run(*words, "--max-fee", "0.5", "--tip", "0.5")
    assert "under the base fee" in stuck.stderr
    again = await desk.run(*words, "--nonce", "0")
    assert again.exit_code == 0, again.output
    assert [(signed.tx.nonce, signed.tx.max_fee) for signed in queue(desk)] == [(0, 2_010_000_000)]


async def test_balances_and_the_list(desk: Desk) -> None:
    listed = json.loads((await desk.run("wallet", "list", "--json", secret=False, rpc=False)).stdout)
    assert [entry["address"] for entry in listed] == [RICH, POOR]
    shown = await desk.run("wallet", "balance", secret=False)
    assert shown.stdout.splitlines() == [f"{RICH}  10000 MND", f"{POOR}  0 MND"]
    found = json.loads((await desk.run("wallet", "balance", FRIEND, "--json", secret=False)).stdout)
    assert [entry["balanceWei"] for entry in found] == ["0"]


async def test_an_empty_wallet_says_so(desk: Desk) -> None:
    desk.wallet = desk.home / "empty"
    shown = await desk.run("wallet", "balance", secret=False)
    assert (shown.exit_code, shown.stdout) == (0, "")
    assert "no accounts in" in shown.stderr
    assert json.loads((await desk.run("wallet", "balance", "--json", secret=False)).stdout) == []


async def test_every_slip_has_its_own_name(desk: Desk, tmp_path: Path) -> None:
    send = ("wallet", "send", FRIEND, "1", "--yes")
    text = refused(await desk.run(*send), NoSuchAccount, ExitCode.REFUSED)
    assert "--from" in text
    refused(await desk.run(*send, "--from", FRIEND), NoSuchAccount, ExitCode.REFUSED)
    text = refused(await desk.run(*send, "--from", POOR), InsufficientFunds, ExitCode.REFUSED)
    assert "0 MND" in text
    wrong = RICH[:-1] + RICH[-1].swapcase() if RICH[-1].isalpha() else RICH.replace("F", "f", 1)
    refused(await desk.run("wallet", "send", wrong, "1", "--from", RICH), BadAddress, ExitCode.USAGE)
    refused(await desk.run("wallet", "send", FRIEND, "1e3", "--from", RICH), BadAmount, ExitCode.USAGE)
    text = refused(await desk.run(*send, "--from", RICH, "--network", "mainnet"), WrongChain, ExitCode.REFUSED)
    assert "156900" in text
    assert "1569" in text
    refused(await desk.run(*send[:-1], "--from", RICH), NoPassword, ExitCode.USAGE)
    refused(await desk.run(*send, "--from", RICH, secret=False), NoPassword, ExitCode.USAGE)
    desk.password_file.write_text("not it\n")
    text = refused(await desk.run(*send, "--from", RICH), WrongPassword, ExitCode.REFUSED)
    assert "not it" not in text
    desk.url = "http://127.0.0.1:1"
    refused(await desk.run(*send, "--from", RICH), RpcUnreachable, ExitCode.RPC)
    assert desk.world.view.head().height == 0, "nothing was sent"


async def test_accounts_are_imported_from_files_and_never_from_the_line(desk: Desk, tmp_path: Path) -> None:
    words, key, bad = tmp_path / "words", tmp_path / "key", tmp_path / "bad"
    words.write_text(MNEMONIC)
    key.write_text("0x" + key_of(78).secret.hex())
    bad.write_text(MNEMONIC.replace("junk", "test"))
    imported = ("wallet", "import", "--json")
    made = await desk.run(*imported, "--mnemonic-file", str(words), "--index", "1", rpc=False)
    assert [entry["address"] for entry in json.loads(made.stdout)] == ["0x70997970C51812dc3A010C7d01b50e0d17dc79C8"]
    made = await desk.run(*imported, "--key-file", str(key), rpc=False)
    assert json.loads(made.stdout)[0]["address"] == format_address(address_of_key(key_of(78)))
    refused(await desk.run(*imported, "--key-file", str(key), rpc=False), AccountExists, ExitCode.REFUSED)
    refused(await desk.run(*imported, "--mnemonic-file", str(bad), rpc=False), BadMnemonic, ExitCode.REFUSED)
    refused(await desk.run(*imported, "--key-file", str(words), rpc=False), BadKey, ExitCode.REFUSED)
    refused(await desk.run(*imported, rpc=False), NoPassword, ExitCode.USAGE)
    both = await desk.run(*imported, "--key-file", str(key), "--mnemonic-file", str(words), rpc=False)
    assert both.exit_code == 2
    for command in ("new", "import", "send"):
        names = [name for option in cli.get_command(None, "wallet").commands[command].params for name in option.opts]  # type: ignore[arg-type, union-attr]
        assert not {"--mnemonic", "--private-key", "--key", "--password"} & set(names)


async def test_a_new_account_is_restored_by_its_mnemonic(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "new-words"
    made = await desk.run("wallet", "new", "--json", "--mnemonic-file", str(file), rpc=False)
    address = json.loads(made.stdout)["address"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().strip() not in made.output
    desk.wallet = tmp_path / "other"
    again = await desk.run("wallet", "import", "--json", "--mnemonic-file", str(file), rpc=False)
    assert json.loads(again.stdout)[0]["address"] == address
    refused(await desk.run("wallet", "new", "--mnemonic-file", str(file), rpc=False), AccountExists, ExitCode.REFUSED)
    assert (await desk.run("wallet", "new", "--json", rpc=False)).exit_code == 2, "the mnemonic would go nowhere"
    shown = await desk.run("wallet", "new", rpc=False)
    assert "Write these words down" in shown.stdout


async def test_of_several_accounts_all_are_imported_or_none(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "words"
    file.write_text(MNEMONIC)
    words = ("wallet", "import", "--mnemonic-file", str(file), "--count", "2", "--index")
    made = await desk.run(*words, "2", rpc=False)
    assert made.exit_code == 0, made.output
    text = refused(await desk.run(*words, "1", rpc=False), AccountExists, ExitCode.REFUSED)
    assert "nothing was imported" in text
    listed = json.loads((await desk.run("wallet", "list", "--json", secret=False, rpc=False)).stdout)
    assert len(listed) == 4, "two of the desk and two imported"


async def test_there_are_accounts_up_to_the_last_index(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "words"
    file.write_text(MNEMONIC)
    words = ("wallet", "import", "--mnemonic-file", str(file), "--index", str(2**31 - 1), "--count", "2")
    result = await desk.run(*words, rpc=False)
    assert result.exit_code == ExitCode.USAGE
    assert "2147483647" in result.output


@pytest.mark.parametrize("words", [("wallet",), ("wallet", "send"), ("stake",), ("stake", "deposit"), ("supply",)])
def test_help_says_what_a_command_does(words: tuple[str, ...]) -> None:
    result = CliRunner().invoke(cli, [*words, "--help"])
    assert result.exit_code == 0
    assert len(result.output) > 200
