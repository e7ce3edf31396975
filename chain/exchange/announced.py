"""One announced block on its way from the claim to the importer."""

from dataclasses import dataclass
from enum import Enum

from chain.block import ChainedHeader
from chain.exchange.compact import CompactBlock
from chain.exchange.effects import Tag
from chain.primitives.peer import PeerId
from chain.primitives.units import Hash32, Millis


class Stage(Enum):
    """What an announced block waits for."""

    SEAL = "seal"
    BODY = "body"
    CHECK = "check"
    IMPORT = "import"


class Step(Enum):
    """What happens to it."""

    SEALED = "sealed"
    COMPLETE = "complete"
    MISMATCH = "mismatch"
    VERIFIED = "verified"


STEPS: dict[tuple[Stage, Step], Stage] = {
    (Stage.SEAL, Step.SEALED): Stage.BODY,
    (Stage.BODY, Step.COMPLETE): Stage.CHECK,
    (Stage.CHECK, Step.MISMATCH): Stage.BODY,
    (Stage.CHECK, Step.VERIFIED): Stage.IMPORT,
}
"""Every block goes down this table or is dropped."""


FORMS_MAX = 4
"""Announcements of one header that are looked at: matching one against a full pool takes 13 ms (measured)."""


@dataclass(frozen=True, slots=True)
class Announcement:
    """A message of the BLOCK topic that has no verdict yet."""

    compact: CompactBlock
    block_id: Hash32
    key: bytes
    """The relay's name of the message."""
    sender: PeerId
    arrived: Millis
    size_bytes: int
    """Length of the message."""


class Announced:
    """A block between its announcement and its import; changed by `blocks.Blocks` and `assembly.Assembly` alone."""

    __slots__ = (
        "arrived",
        "ask",
        "chained",
        "compact",
        "forms",
        "from_peer",
        "key",
        "payload",
        "retry_at",
        "rivals",
        "sender",
        "size_bytes",
        "slots",
        "stage",
        "tried",
        "waits_ms",
        "whole",
    )

    def __init__(
        self,
        chained: ChainedHeader,
        compact: CompactBlock,
        *,
        sender: PeerId | None,
        key: bytes | None,
        payload: bytes | None,
        arrived: Millis,
        size_bytes: int,
    ) -> None:
        self.chained = chained
        self.compact = compact
        """The first form of its body that came; its places are filled once the seal is true."""
        self.size_bytes = size_bytes
        """Length of the message that announced it."""
        self.forms = 1
        """Announcements of this header that were looked at."""
        self.slots = compact.slots()
        """The body's places: encoded transactions as far as they are here."""
        self.sender = sender
        """The neighbour that announced it; None for an own block."""
        self.key = key
        self.payload = payload
        """What to publish: an own block."""
        self.arrived = arrived
        self.stage = Stage.SEAL
        self.rivals: list[Announcement] = []
        """Announcements of the same header that came while the seal was checked."""
        self.ask: Tag | None = None
        """The open question for what is missing."""
        self.from_peer: PeerId | None = None
        """Who sent the whole body that is being checked: at fault if it is not the header's."""
        self.tried: set[PeerId] = set()
        """Who was asked in this round."""
        self.retry_at: Millis | None = None
        """When the next round begins."""
        self.waits_ms = 0
        """Length of the last pause between rounds."""
        self.whole = False
        """The compact body did not fit together: the whole is fetched."""

    @property
    def id(self) -> Hash32:
        """The block's id."""
        return self.chained.id

    def step(self, step: Step) -> None:
        """Go on; a step that the table lacks is a bug."""
        self.stage = STEPS[(self.stage, step)]

    def missing(self) -> tuple[int, ...]:
        """Return the empty places of the body."""
        return tuple(index for index, raw in enumerate(self.slots) if raw is None)
