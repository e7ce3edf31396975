"""What goes into the importer and what comes out of it."""

from dataclasses import dataclass
from enum import Enum

from chain.block import ChainedHeader, SealedHeader
from chain.ports import HeadMove
from chain.primitives.units import Hash32, Millis
from chain.rules import InvalidBlock
from chain.transaction import SignedTransaction


@dataclass(frozen=True, slots=True)
class VerifiedBlock:
    """A block whose costly checks have passed in worker threads: `SealRules.check_seal`, and the senders recovered."""

    sealed: SealedHeader
    transactions: tuple[SignedTransaction, ...]
    arrived: Millis
    """When its header came to this node by the mesh clock: what "late" is judged by (rule 7)."""


@dataclass(frozen=True, slots=True)
class ChainedBlock:
    """A block in its place, with its senders: what the mempool and subscribers are told of a change of the head."""

    chained: ChainedHeader
    transactions: tuple[SignedTransaction, ...]


class ImportStatus(Enum):
    """What became of a block."""

    ADOPTED = "adopted"
    """It stands on the canonical chain."""
    SIDE = "side"
    """Valid, stored, ripe, on a branch that does not lead."""
    UNRIPE = "unripe"
    """Valid, stored, executed; `ripen` adopts it when its time has come."""
    KNOWN = "known"
    """It was here already; nothing changed."""
    ORPHAN = "orphan"
    """Its parent is not here: `missing_parent` is what to ask for. Kept for a while, and taken up when that comes."""
    PRUNED = "pruned"
    """It stands on a block whose state was removed: this node cannot tell whether it is valid. Not kept, no fault."""
    DROPPED = "dropped"
    """Too far ahead of its time, or beaten by two unripe siblings: not kept, nobody's fault (rule 5)."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A block that waited for its parent and turned out invalid."""

    block_id: Hash32
    error: InvalidBlock


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import changed."""

    status: ImportStatus | None
    """Of the block that was added; None for `ripen`."""
    move: HeadMove | None
    """From the head before to the head after; None if it stayed."""
    applied: tuple[ChainedBlock, ...]
    """Blocks that joined the canonical chain, oldest first."""
    undone: tuple[ChainedBlock, ...]
    """Blocks that left it, newest first."""
    missing_parent: Hash32 | None = None
    """For `ORPHAN`: the oldest unknown ancestor."""
    connected: tuple[Hash32, ...] = ()
    """Orphans that were imported because their parent came."""
    rejected: tuple[Rejected, ...] = ()
    """Orphans that were found invalid when their parent came."""
