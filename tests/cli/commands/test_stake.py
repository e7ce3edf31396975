"""`stake` and `supply` from end to end on a chain in memory."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner, Result

from chain.importer import Importer
from chain.primitives.units import COIN
from chain.rules import InvalidBlock
from chain.staking_registry import Registry
from cli.datadir import DataDir
from cli.exit_codes import ExitCode
from cli.main import cli, exit_code_of
from cli.rpc_client import RpcClient, RpcRefused
from cli.staking.keys import write_validator_key
from cli.wallet.addresses import format_address, parse_address
from cli.wallet.errors import BadKeyFile, CallRefused, InsufficientFunds, WrongPassword
from storage.chain_store import ChainStore
from storage.leveldb import open_level
from storage.migrations import claim
from tests.cli.commands.conftest import LIGHT, PASSWORD, Desk
from tests.helpers.transactions import DEVNET_KEYS, address_of_key, key_of

pytestmark = pytest.mark.slow

RICH = format_address(address_of_key(DEVNET_KEYS[0]))
POOR = format_address(address_of_key(key_of(77)))


@pytest.fixture
def key_file(desk: Desk, tmp_path: Path) -> Path:
    """Return a validator key file under the desk's password."""
    return write_validator_key(tmp_path / "validator", key_of(500), PASSWORD, work=LIGHT).file


async def deposit(desk: Desk, key: Path, amount: str, *more: str, sender: str = RICH) -> Result:
    """Run `stake deposit`."""
    words = ("stake", "deposit", amount, "--key", str(key), "--from", sender, "--yes", "--json")
    return await desk.run(*words, "--key-password-file", str(desk.password_file), *more)


async def status(desk: Desk, *words: str) -> dict[str, object]:
    """Return the one stake that `stake status` shows."""
    shown = json.loads((await desk.run("stake", "status", *words, "--json", secret=False)).stdout)
    (stake,) = [entry for entry in shown["stakes"] if entry["owner"] == RICH]
    assert isinstance(stake, dict)
    return stake


async def test_a_deposit_counts_later_and_comes_back_whole(desk: Desk, key_file: Path) -> None:
    facts = json.loads((await deposit(desk, key_file, "2000.000000000000000003")).stdout)
    assert facts["stakeWei"] == str(2000 * COIN + 3)
    assert facts["countsFromBlock"] == 15
    stake = await status(desk)
    assert (stake["activeStakeWei"], stake["countsFromBlock"], stake["share"]) == ("0", 15, 0.0)
    while desk.world.view.head().height < 14:
        desk.world.mine()
    stake = await status(desk)
    assert (stake["activeStakeWei"], stake["share"]) == (str(2000 * COIN + 3), 1.0)
    assert stake["validatorKey"] == "0x" + key_of(500).public_key.format().hex()
    text = (await desk.run("stake", "status", RICH, secret=False)).stdout
    assert "2000.000000000000000003 MND" in text
    assert "100.00 % of all stake" in text

    asked = await desk.run("stake", "withdraw", "all", "--from", RICH, "--yes", "--json")
    facts = json.loads(asked.stdout)
    assert facts["requestedWei"] == str(2000 * COIN + 3)
    due = facts["dueAtBlock"]
    early = await desk.run("stake", "withdraw", "--from", RICH, "--yes")
    assert isinstance(early.exception, CallRefused)
    assert f"due at block {due}" in str(early.exception)
    while desk.world.view.head().height < due - 1:
        desk.world.mine()
    before = desk.world.view.state(desk.world.view.head()).balance(parse_address(RICH))
    paid = json.loads((await desk.run("stake", "withdraw", "--from", RICH, "--yes", "--json")).stdout)
    assert paid["paidWei"] == str(2000 * COIN + 3)
    after = desk.world.view.state(desk.world.view.head())
    assert after.balance(parse_address(RICH)) == before + 2000 * COIN + 3 - int(paid["feeWei"])
    assert Registry(after).total == 0


async def test_until_paid_asks_waits_and_has_it_paid_out(
    desk: Desk, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await deposit(desk, key_file, "7")
    loop, world = asyncio.get_running_loop(), desk.world

    async def mine() -> None:
        world.mine()

    def a_block_later(_seconds: float) -> None:
        asyncio.run_coroutine_threadsafe(mine(), loop).result()

    monkeypatch.setattr("cli.commands.stake.time", SimpleNamespace(sleep=a_block_later))
    result = await desk.run("stake", "withdraw", "3", "--until-paid", "--from", RICH, "--yes", "--json")
    assert result.exit_code == 0, result.output
    asked, paid = (json.loads(line) for line in result.stdout.splitlines())
    assert (asked["requestedWei"], paid["paidWei"]) == (str(3 * COIN), str(3 * COIN))
    assert paid["blockNumber"] >= asked["dueAtBlock"]
    assert Registry(world.view.state(world.view.head())).total == 4 * COIN
    assert (await desk.run("stake", "withdraw", "--until-paid", "--yes")).exit_code == 2


async def test_tickets_are_counted_and_the_supply_is_exact(desk: Desk, key_file: Path) -> None:
    await deposit(desk, key_file, "5000")
    world = desk.world
    won = 0
    while won < 5:  # the proof of the deposit is random, and with it which heights have a ticket under the cap
        head = world.view.head()
        draw = None
        with suppress(InvalidBlock):
            draw = world.builder.draw(head, key_of(500), parse_address(POOR))
            won += 1
        world.take(world.builder.extend(head, draw=draw))
        assert head.height < 100
    stake = await status(desk)
    earned = world.view.state(world.view.head()).balance(parse_address(POOR))
    assert (stake["ticketsWon"], stake["rewardsWei"]) == (5, str(earned))
    assert int(str(stake["expectedRewardsPerDayWei"])) > 0
    everyone = await desk.run("stake", "status", "--all", "--blocks", "1", secret=False)
    assert "won          1 tickets" in everyone.stdout
    supply = await desk.run("supply", "--json", secret=False, wallet=False)
    found = json.loads(supply.stdout)
    assert (found["exact"], found["tickets"], found["ticketRewardsWei"]) == (True, 5, str(earned))
    assert "exact to the wei" in (await desk.run("supply", secret=False, wallet=False)).stdout


async def test_a_database_is_audited_when_its_network_is_named(desk: Desk, tmp_path: Path) -> None:
    words = ("supply", "--datadir", str(tmp_path / "nowhere"))
    for more in ((), ("--network", "devnet")):
        result = await desk.run(*words, *more, secret=False, wallet=False)
        assert result.exit_code == 2
    place = DataDir(tmp_path / "node")
    place.root.mkdir()
    store = open_level(place.database)
    genesis = desk.world.builder.genesis
    claim(store, genesis.params.network_id, genesis.params.name)
    Importer(genesis.params, genesis, ChainStore(store), desk.world.builder.rules)
    store.close()
    result = await desk.run("supply", "--datadir", str(place.root), "--network", "devnet", secret=False, wallet=False)
    assert result.exit_code == 0, result.output
    assert "100000 MND in 11 accounts: exact to the wei" in result.stdout


async def test_what_cannot_be_staked_is_named(desk: Desk, key_file: Path, tmp_path: Path) -> None:
    small = await deposit(desk, key_file, "0.5")
    assert isinstance(small.exception, CallRefused)
    assert "under the minimum" in str(small.exception)
    assert exit_code_of(small.exception) == ExitCode.REFUSED
    assert isinstance((await deposit(desk, key_file, "1", sender=POOR)).exception, InsufficientFunds)
    spending = next(desk.wallet.iterdir())
    assert isinstance((await deposit(desk, spending, "1")).exception, BadKeyFile)
    (tmp_path / "wrong").write_text("wrong\n")
    wrong = await deposit(desk, key_file, "1", "--key-password-file", str(tmp_path / "wrong"))
    assert isinstance(wrong.exception, WrongPassword)
    nothing = await desk.run("stake", "withdraw", "1", "--from", RICH, "--yes")
    assert isinstance(nothing.exception, CallRefused)
    assert "more than the stake" in str(nothing.exception)
    idle = await desk.run("stake", "withdraw", "--from", RICH, "--yes")
    assert "nothing was asked for" in str(idle.exception)
    assert desk.world.view.head().height == 0


async def test_a_key_is_made_once_and_shown_without_password(desk: Desk, tmp_path: Path) -> None:
    words = ("stake", "key", "new", str(tmp_path / "new"), "--json", "--password-file", str(desk.password_file))
    made = CliRunner().invoke(cli, words)
    assert made.exit_code == 0, made.output
    shown = CliRunner().invoke(cli, ["stake", "key", "show", str(tmp_path / "new")])
    assert shown.output.strip() == json.loads(made.output)["validatorKey"]
    assert CliRunner().invoke(cli, words).exit_code != 0


async def test_a_proof_lets_another_wallet_deposit(desk: Desk, key_file: Path) -> None:
    words = ["stake", "key", "prove", str(key_file), "--owner", RICH, "--network", "devnet"]
    words += ["--key-password-file", str(desk.password_file)]
    made = CliRunner().invoke(cli, [*words, "--json"])
    facts = json.loads(made.stdout)
    assert facts["validatorKey"][2:] in facts["data"]
    assert facts["proof"][2:] in facts["data"]
    deposit = {"from": RICH, "to": facts["to"], "data": facts["data"], "value": hex(COIN)}
    other = format_address(address_of_key(DEVNET_KEYS[1]))

    def try_it(call: dict[str, str]) -> object:
        return RpcClient(desk.url).call("eth_call", call, "latest")

    assert await asyncio.to_thread(try_it, deposit) == "0x"
    with pytest.raises(RpcRefused, match="the proof does not show that you hold the validator key"):
        await asyncio.to_thread(try_it, {**deposit, "from": other})
    text = CliRunner().invoke(cli, words).stdout
    assert [line.split()[0] for line in text.splitlines()] == list(facts)
