"""Taking a file of blocks in: every block is checked as if a stranger had sent it, and imported by the one writer."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from typing import Protocol

from chain.block import Block, SealedHeader, header_id
from chain.importer import Importer
from chain.params import ChainParams
from chain.ports import ChainStore
from chain.primitives.errors import NodeError
from chain.primitives.units import Hash32, Millis
from chain.rules import InvalidBlock, InvalidTransaction
from chain.transaction import recover_sender
from chain.verified import ImportStatus, VerifiedBlock
from cli.exit_codes import ExitCode

AHEAD = 64
"""Blocks whose seals and signatures are checked in threads before the writer has come to them: 64 MiB of bodies at the
most, and enough that no core waits for the disk."""


class BlockRefused(NodeError):
    """A block of the file is not valid, or has no place in this chain; what came before it is imported."""

    exit_code = ExitCode.REFUSED


class SealChecks(Protocol):
    """What is asked of the rules before a block goes to the importer."""

    def check_seal(self, sealed: SealedHeader) -> None:
        """Check the claimed hash. Raises `InvalidBlock`."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a file."""

    imported: int
    """Blocks executed and stored."""
    known: int
    """Blocks that the database held: passed over without a check."""
    head: int
    """Height of the head now."""


class BlockReader:
    """Feeds the blocks of a stream to an importer; interrupted, the next run goes on where this one stopped."""

    def __init__(
        self,
        params: ChainParams,
        importer: Importer,
        store: ChainStore,
        rules: SealChecks,
        pool: Executor,
        clock: Callable[[], Millis],
    ) -> None:
        """`clock` says what is ripe; this machine's, since there is no mesh to ask."""
        self._params = params
        self._importer = importer
        self._store = store
        self._rules = rules
        self._pool = pool
        self._clock = clock

    def take(self, blocks: Iterable[Block], progress: Callable[[int], None]) -> Taken:
        """Import all blocks in their order; `progress` hears how many are done.

        Raises `BlockRefused`, `StorageError`, and what `blocks` raises.
        """
        imported = known = 0
        for block_id, checked in self._checked(blocks):
            if checked is None:
                known += 1
            else:
                self._add(block_id, checked)
                imported += 1
            progress(imported + known)
        return Taken(imported, known, self._importer.head().height)

    def _checked(self, blocks: Iterable[Block]) -> Iterator[tuple[Hash32, "Future[VerifiedBlock] | None"]]:
        """Start the checks of up to AHEAD blocks and yield the oldest: None for a block that is on the chain."""
        waiting: deque[tuple[Hash32, Future[VerifiedBlock] | None]] = deque()
        try:
            for block in blocks:
                block_id = header_id(block.sealed.header)
                here = self._store.canonical_id(block.sealed.header.height) == block_id
                waiting.append((block_id, None if here else self._pool.submit(self._check, block)))
                if len(waiting) >= AHEAD:
                    yield waiting.popleft()
        except NodeError:
            yield from waiting  # what came before the fault is good
            raise
        yield from waiting

    def _check(self, block: Block) -> VerifiedBlock:
        self._rules.check_seal(block.sealed)
        return VerifiedBlock(block.sealed, tuple(recover_sender(tx) for tx in block.transactions), self._clock())

    def _add(self, block_id: Hash32, checked: "Future[VerifiedBlock]") -> None:
        try:
            block = checked.result()
            height = block.sealed.header.height
            status = self._importer.add(block, self._clock()).status
        except (InvalidBlock, InvalidTransaction) as error:
            raise BlockRefused(f"block {block_id.hex()[:16]} of the file is invalid: {error}") from None
        if status is ImportStatus.ORPHAN:
            raise BlockRefused(
                f"block {height} of the file stands on a block that is not here: the head is "
                f"{self._importer.head().height}"
            )
        if status is ImportStatus.PRUNED:
            raise BlockRefused(
                f"block {height} of the file forks off below block {self._store.state_floor()}, where this database's "
                "states begin (`mappemonde db prune`): import into a new --datadir"
            )
        if status is ImportStatus.DROPPED:
            raise BlockRefused(f"block {height} of the file is too far in the future: check this machine's clock")
