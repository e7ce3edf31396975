"""`show`, `why`, `bans` and `unban` against a real RPC server over a real chain."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chain.primitives.errors import ConfigError, NodeError, StorageError
from chain.primitives.units import COIN, GWEI
from chain.transaction import SignedTransaction
from cli.commands.bans import NotBanned
from cli.commands.why import NotFound
from cli.main import cli
from cli.wallet.addresses import format_address
from cli.wallet.errors import BadAddress
from net.rpc.policy import RpcPolicy
from tests.helpers.rpc_world import PEER_C, Client, World
from tests.helpers.transactions import DEVNET_KEYS, sign
from tests.net.rpc.test_methods import ALICE, BOB, deposit, text

TOKEN = "t" * 43


def pay(nonce: int, *, fee: int = 5 * GWEI, value: int = COIN) -> SignedTransaction:
    return sign(DEVNET_KEYS[0], to=BOB, nonce=nonce, value=value, gas=21_000, max_fee=fee)


async def run(server: Client, *words: str) -> Result:
    """Run a command in a thread beside the server's loop."""
    return await asyncio.to_thread(CliRunner().invoke, cli, [*words, "--rpc", server.url])


async def said(server: Client, *words: str) -> str:
    result = await run(server, *words)
    assert result.exception is None, result.output
    return result.output


async def refused(server: Client, *words: str) -> NodeError:
    error = (await run(server, *words)).exception
    assert isinstance(error, NodeError)
    return error


async def test_blocks_and_transactions_are_shown_and_explained() -> None:
    world = World()
    mined, stake = pay(0), deposit(1)
    await world.submit(mined.tx.raw)
    await world.submit(stake.tx.raw)
    block = world.mine().chained
    async with world.served() as server:
        shown = await said(server, "show", "block")
        assert block.id.hex() in shown
        assert "transactions 2" in shown
        assert "2" in await said(server, "show", "block", "1")
        as_json = json.loads(await said(server, "show", "block", text(block.id), "--json"))
        assert as_json["consensus"]["hash"] == as_json["hash"] == text(block.id)
        assert isinstance(await refused(server, "show", "block", "99"), NotFound)

        why = await said(server, "why", "block", "1")
        assert "not what the rule gives" not in why
        assert "beats the target" in why or "misses the target" in why
        told = json.loads(await said(server, "why", "block", "latest", "--json"))
        assert told["computedTime"] == block.time
        assert "genesis document" in await said(server, "why", "block", "0")

        assert "succeeded, block 1, place 0" in await said(server, "show", "tx", text(mined.tx.hash))
        assert "transaction 0 of block 1, 1 block deep" in await said(server, "why", "tx", text(mined.tx.hash))
        assert isinstance(await refused(server, "show", "tx", "0x" + "00" * 32), NotFound)
        unknown = await run(server, "why", "tx", "0x" + "00" * 32)
        assert (unknown.exit_code, unknown.output.splitlines()[0]) == (6, "unknown")


async def test_what_waits_says_for_what() -> None:
    world = World()
    first, gap = pay(0), pay(2)
    for signed in (first, gap):
        await world.submit(signed.tx.raw)
    async with world.served() as server:
        assert "status       waiting" in await said(server, "show", "tx", text(first.tx.hash))
        assert (await said(server, "why", "tx", text(first.tx.hash))).startswith("waiting")
        held = json.loads(await said(server, "why", "tx", text(gap.tx.hash), "--json"))
        assert held["fate"] == "held"
        assert "waits for nonce 1 " in held["reasons"][0]
        unsent = await said(server, "why", "tx", text(pay(0, fee=2 * GWEI, value=20_000 * COIN).tx.raw))
        assert "it was not sent here" in unsent
        assert "10 % more" in unsent
        assert "insufficient funds" in unsent
        assert await said(server, "why", "tx", text(first.tx.raw)) == await said(
            server, "why", "tx", text(first.tx.hash)
        )
        assert "neither the hash" in str(await refused(server, "why", "tx", "0x" + "zz" * 60))


async def test_accounts_and_validators_are_shown() -> None:
    world = World()
    await world.submit(deposit().tx.raw)
    world.mine()
    await world.submit(pay(1).tx.raw)
    async with world.served() as server:
        account = await said(server, "show", "account", text(ALICE))
        assert "1, 1 of its transactions wait" in account
        assert "stake        5 MND" in account
        assert "balance      0 MND" in await said(server, "show", "account", text(BOB))
        owner = json.loads(await said(server, "show", "validator", text(ALICE), "--json"))
        by_key = await said(server, "show", "validator", owner["validatorKey"])
        assert text(ALICE) in by_key
        assert "epoch 3 (from block 15): 5 MND counts (100.00 % of all)" in by_key
        assert isinstance(await refused(server, "show", "validator", text(BOB)), NotFound)
        assert isinstance(await refused(server, "show", "validator", "0x" + "02" * 33), NotFound)


@pytest.mark.parametrize("content", [b"short", b"\xff" * 43, "é".encode() * 43, b"t" * 21 + b"\n" + b"t" * 21])
@pytest.mark.parametrize("command", [("bans",), ("stake", "status", "--all")])
async def test_what_is_no_token_is_refused(command: tuple[str, ...], content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "rpc.token"
    file.write_bytes(content)
    async with World().served() as server:
        assert isinstance(await refused(server, *command, "--token-file", str(file)), ConfigError)


async def test_a_slip_in_an_address_is_found() -> None:
    """An account of nobody would be shown with nothing in it."""
    right = format_address(ALICE)
    at = next(index for index, sign in enumerate(right) if sign.isalpha() and sign != "x")
    wrong = right[:at] + right[at].swapcase() + right[at + 1 :]
    async with World().served() as server:
        assert right in await said(server, "show", "account", right.lower())
        for kind in ("account", "validator"):
            assert isinstance(await refused(server, "show", kind, wrong), BadAddress)


async def test_block_0_has_neither_parent_nor_work() -> None:
    async with World().served() as server:
        shown = (await said(server, "show", "block", "0")).splitlines()
    assert [line for line in shown if line.startswith(("parent", "time", "work"))] == [
        "parent       none",
        "time         2025-01-01 00:00:00Z",
        "work         none",
    ]


async def test_a_picture_that_cannot_be_kept_is_named(tmp_path: Path) -> None:
    async with World().served() as server:
        picture = tmp_path / "map.svg"
        await said(server, "map", "--json", "--picture", str(picture))
        assert picture.read_text().startswith("<svg")
        assert isinstance(await refused(server, "map", "--picture", str(tmp_path / "no" / "map.svg")), StorageError)


async def test_bans_need_the_token_and_are_lifted(tmp_path: Path) -> None:
    file = tmp_path / "rpc.token"
    file.write_text(TOKEN + "\n")
    place = ("--datadir", str(tmp_path))
    async with World(policy=RpcPolicy(port=0, admin_token=TOKEN)).served() as server:
        assert f"{PEER_C.hex()}  until" in await said(server, "bans", *place)
        assert json.loads(await said(server, "bans", "--json", "--token-file", str(file)))[0]["reason"] == "false claim"
        assert "no longer banned" in await said(server, "unban", PEER_C.hex()[:8], *place)
        assert await said(server, "bans", *place) == "nobody is banned\n"
        assert isinstance(await refused(server, "unban", PEER_C.hex(), *place), NotBanned)
        file.write_text("u" * 43)
        assert "token" in str(await refused(server, "bans", *place))
        file.write_text("short")
        assert isinstance(await refused(server, "bans", *place), ConfigError)
        assert isinstance(await refused(server, "bans", "--datadir", str(tmp_path / "none")), ConfigError)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str) -> None:
    result = CliRunner().invoke(cli, ["completion", shell])
    assert result.exit_code == 0
    assert "_MAPPEMONDE_COMPLETE" in result.output
    listed = CliRunner().invoke(
        cli,
        prog_name="mappemonde",
        env={
            "_MAPPEMONDE_COMPLETE": f"{shell}_complete",
            "COMP_WORDS": "mappemonde mi",
            "COMP_CWORD": "mi" if shell == "fish" else "1",
        },
    )
    assert "mine" in listed.output


async def test_why_peer_tells_where_links_failed() -> None:
    """By id or its beginning; an ambiguous or unknown beginning is refused."""
    async with World().served() as server:
        shown = await said(server, "why", "peer", PEER_C.hex()[:8])
        assert PEER_C.hex() in shown
        assert "link      none" in shown
        assert "listed, asked it, failed at ice: no candidate answered" in shown
        told = json.loads(await said(server, "why", "peer", PEER_C.hex(), "--json"))
        assert told["attempts"][0]["step"] == "ice"
        for wrong in ("ffffffff", ""):
            assert isinstance(await refused(server, "why", "peer", wrong), NotFound)
        assert "no peer on the map begins with 'ffffffff'" in str(await refused(server, "why", "peer", "ffffffff"))
