"""A served chain whose blocks are mined as soon as a transaction arrives, and the commands run against it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from chain.params import ChainParams
from chain.primitives.units import Hash32, Millis, Wei
from cli.main import cli
from cli.wallet.keystore import Keystore
from consensus.staker import expected_rewards
from net.rpc.ports import OwnValidator
from tests.helpers.rpc_world import World
from tests.helpers.transactions import DEVNET_KEYS, key_of

PASSWORD = "open sesame"
LIGHT = 2


class Expecting:
    """What consensus expects of stakes; this node has none of its own."""

    def __init__(self, params: ChainParams) -> None:
        self._params = params

    def expected(self, height: int, *, stake: Wei, total: Wei, issued: Wei) -> tuple[float, Wei]:
        return expected_rewards(self._params, height, stake=stake, total=total, issued=issued)

    def own(self) -> Sequence[OwnValidator]:
        return ()


class BusyWorld(World):
    """Puts each transaction into a block of its own before it answers."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = replace(self.parts, staking=Expecting(self.params))
        self.mines = True

    async def submit(self, raw: bytes) -> Hash32:
        tx_hash = await super().submit(raw)
        if self.mines:
            self.mine()
        return tx_hash


class Desk:
    """A user with a wallet, at a node."""

    def __init__(self, world: BusyWorld, url: str, home: Path) -> None:
        self.world = world
        self.url = url
        self.home = home
        self.password_file = home / "password"
        self.password_file.write_text(PASSWORD + "\n")
        self.wallet = home / "wallet"
        store = Keystore(self.wallet)
        store.add(DEVNET_KEYS[0], PASSWORD, Millis(0), work=LIGHT)
        store.add(key_of(77), PASSWORD, Millis(1), work=LIGHT)

    async def run(
        self, *words: str, secret: bool = True, rpc: bool = True, wallet: bool = True, given: str | None = None
    ) -> Result:
        """Run a command to its end, in a thread, so that the node can answer it; `given` is what the user types."""
        known = ["--wallet", str(self.wallet)] if wallet else []
        if secret:
            known += ["--password-file", str(self.password_file)]
        if rpc:
            known += ["--rpc", self.url]
        return await asyncio.to_thread(CliRunner().invoke, cli, [*words, *known], input=given)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    """Return a user's desk at a busy node."""
    world = BusyWorld()
    async with world.served() as client:
        yield Desk(world, client.url, tmp_path)
