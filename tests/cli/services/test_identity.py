"""The identity's proof is renewed at the end of its epoch, kept on disk, and told to the mesh."""

import asyncio
import os
from pathlib import Path

from chain.genesis import load_genesis
from chain.primitives.units import Millis
from cli.datadir import DataDir, load_identity
from cli.services.identity import IdentityKeeper
from cli.workers import Workers
from net.core.identity.identity import Identity, proof_current
from net.core.identity.proof import epoch_end

START = Millis(1_800_000_000_000)
PARAMS = load_genesis("devnet").params


async def test_a_proof_is_renewed_once_per_epoch(tmp_path: Path) -> None:
    """Nothing happens within the epoch; after it the new proof is on disk and in the mesh's hands."""
    datadir = DataDir(tmp_path)
    identity = load_identity(datadir, PARAMS, START, lambda: None)
    now = [START]
    told: list[Identity] = []
    workers = Workers()
    running = asyncio.create_task(workers.run())
    keeper = IdentityKeeper(identity, PARAMS.id_difficulty, datadir, workers, lambda: now[0], told.append)
    await keeper.look()
    assert told == []
    now[0] = epoch_end(identity.peer, identity.proof.epoch)
    await keeper.look()
    await keeper.look()
    (fresh,) = told
    assert fresh.peer == identity.peer
    assert fresh.proof.epoch == identity.proof.epoch + 1
    assert proof_current(fresh, now[0])
    again = load_identity(datadir, PARAMS, now[0], lambda: None)
    assert again.proof == fresh.proof
    assert os.stat(datadir.identity_file).st_mode & 0o077 == 0
    running.cancel()
    await asyncio.wait([running])


def test_of_two_that_make_an_identity_at_once_the_first_stays(tmp_path: Path) -> None:
    datadir = DataDir(tmp_path)
    told = []

    def meanwhile() -> None:
        told.append(load_identity(datadir, PARAMS, START, lambda: None))

    identity = load_identity(datadir, PARAMS, START, meanwhile)
    assert [entry.peer for entry in told] == [identity.peer]
    assert load_identity(datadir, PARAMS, START, lambda: None).peer == identity.peer
