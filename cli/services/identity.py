"""Keeps the identity's proof of work current: it is renewed once per id epoch (two weeks) while the node runs."""

import asyncio
import logging
from collections.abc import Callable

from chain.primitives.units import Millis
from cli.datadir import DataDir
from cli.private_files import write_private
from cli.workers import Lane, Workers
from net.core.identity.identity import Identity, encode_identity, renew
from net.core.identity.proof import epoch_end

log = logging.getLogger("node")

LOOK_SECONDS = 3600.0
"""How often the clock is looked at: the epoch before still counts for two weeks, so an hour late is no harm."""


class IdentityKeeper:
    """Owns the identity file while the node runs."""

    def __init__(
        self,
        identity: Identity,
        difficulty: int,
        datadir: DataDir,
        workers: Workers,
        clock: Callable[[], Millis],
        renewed: Callable[[Identity], None],
    ) -> None:
        """`renewed` tells the mesh of the new proof."""
        self._identity = identity
        self._difficulty = difficulty
        self._datadir = datadir
        self._workers = workers
        self._clock = clock
        self._renewed = renewed

    async def run(self) -> None:
        """Renew the proof whenever its epoch is over, until cancelled. Raises `StorageError` when it cannot be kept."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Renew the proof if its epoch is over."""
        identity, now = self._identity, self._clock()
        if now < epoch_end(identity.peer, identity.proof.epoch):
            return
        log.info("renewing the identity's proof of work for its new epoch")
        fresh = await self._workers.ask(Lane.BULK, lambda: renew(identity, now, self._difficulty))
        write_private(self._datadir.identity_file, encode_identity(fresh))
        self._identity = fresh
        self._renewed(fresh)
