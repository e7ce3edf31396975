"""What became of recent attempts at links, by peer: the answer to "why is there no link to X?" (DESIGN section 3.4)."""

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import LinkKind
from net.core.overlay.link import Link, Stage

PEERS_MAX = 512
"""Peers remembered; the one whose last attempt is oldest goes first. Strangers' offers fill it too."""

ATTEMPTS_MAX = 4
"""Attempts remembered of each peer, the newest ones."""

REASON_MAX = 120
"""Longest reason kept, in characters."""


class TraceStep(Enum):
    """The step at which an attempt ended, in the order in which they come."""

    ROUTE = "route"
    """No way over the map for the offer."""
    OFFER = "offer"
    """This node's own offer could not be made."""
    ANSWER = "answer"
    """No answer came, a refusal came, or this node could not answer."""
    ICE = "ice"
    """No pair of addresses worked."""
    DTLS = "dtls"
    """Encryption or data channel failed."""
    HANDSHAKE = "handshake"
    """The other end did not prove itself, or was not wanted by then."""
    UP = "up"
    """The link came up."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at a link."""

    started: Millis
    """Driver's clock."""
    ended: Millis
    kind: LinkKind
    outbound: bool
    """Whether this node asked."""
    step: TraceStep
    reason: str
    """One line; empty when the link came up."""


@dataclass(frozen=True, slots=True)
class Why:
    """How this node stands with a peer."""

    peer: PeerId
    on_map: bool
    """Whether a live record of it is held."""
    reachable: bool
    """Whether a direct message to it has a way at this moment."""
    linked: LinkKind | None
    """Kind of the link that is up, None if there is none."""
    banned: bool
    quarantined: bool
    """Left alone for a while: it did not confirm a link, or was annoying."""
    attempts: tuple[Attempt, ...]
    """Oldest first."""


class Trace:
    """Attempts by peer. Mutable: changed by its own methods alone."""

    def __init__(self) -> None:
        self._attempts: OrderedDict[PeerId, list[Attempt]] = OrderedDict()

    def unroutable(self, peer: PeerId, kind: LinkKind, now: Millis) -> None:
        """Note that no way led to a chosen peer; one entry for any number of times in a row."""
        known = self._attempts.get(peer)
        if known and known[-1].step is TraceStep.ROUTE:
            known.pop()
        self._note(peer, Attempt(now, now, kind, True, TraceStep.ROUTE, "no way over the map"))  # noqa: FBT003 (a field)

    def failed(self, link: Link, reason: str, now: Millis) -> None:
        """Note that a link ended before it was up."""
        if link.peer is not None:
            step = _step(link.stage, reason)
            self._note(link.peer, Attempt(link.started, now, link.kind, link.outbound, step, reason[:REASON_MAX]))

    def rose(self, link: Link, now: Millis) -> None:
        """Note that a link came up."""
        if link.peer is not None:
            self._note(link.peer, Attempt(link.started, now, link.kind, link.outbound, TraceStep.UP, ""))

    def of(self, peer: PeerId) -> tuple[Attempt, ...]:
        """Return the remembered attempts of a peer, oldest first."""
        return tuple(self._attempts.get(peer, ()))

    def _note(self, peer: PeerId, attempt: Attempt) -> None:
        known = self._attempts.setdefault(peer, [])
        self._attempts.move_to_end(peer)
        known.append(attempt)
        del known[:-ATTEMPTS_MAX]
        if len(self._attempts) > PEERS_MAX:
            self._attempts.popitem(last=False)


def _step(stage: Stage, reason: str) -> TraceStep:
    match stage:
        case Stage.OFFERING:
            return TraceStep.OFFER
        case Stage.WAITING | Stage.ANSWERING:
            return TraceStep.ANSWER
        case Stage.CONNECTING:
            later = any(word in reason.lower() for word in ("dtls", "sctp"))  # the driver's step, if it tells one
            return TraceStep.DTLS if later else TraceStep.ICE
        case Stage.SHAKING | Stage.UP:
            return TraceStep.HANDSHAKE
