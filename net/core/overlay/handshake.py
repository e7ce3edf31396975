"""The handshake that follows DTLS: HELLO, HELLO, AUTH, AUTH (DESIGN section 3.4). Table state machine.

The offerer speaks first each time and proves itself first. Either end stops at the first frame out of place, at
HANDSHAKE_MAX bytes, or after HANDSHAKE_TIMEOUT.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from chain.primitives.errors import Malformed
from chain.primitives.keys import schnorr_sign, schnorr_valid
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import LinkKind, LinkTransport, Role
from net.core.identity.identity import Identity
from net.core.wire.frame import FrameKind
from net.core.wire.handshake import (
    HANDSHAKE_MAX,
    NONCE_BYTES,
    Hello,
    Transcript,
    decode_auth,
    decode_hello,
    encode_hello,
)

HANDSHAKE_TIMEOUT = Millis(5_000)
"""From the open data channel to the last AUTH."""

VERSION_LOW = 1
VERSION_HIGH = 1
"""Protocol versions this node speaks."""


class Step(Enum):
    """Where a handshake stands."""

    HELLO_DUE = "waits for the other side's HELLO"
    AUTH_DUE = "waits for the other side's AUTH"
    DONE = "both ends have proved themselves"


class Got(Enum):
    """What arrived."""

    HELLO = "hello"
    AUTH = "auth"


_TABLE = {(Step.HELLO_DUE, Got.HELLO): Step.AUTH_DUE, (Step.AUTH_DUE, Got.AUTH): Step.DONE}

_GOT = {FrameKind.HELLO: Got.HELLO, FrameKind.AUTH: Got.AUTH}


@dataclass(frozen=True, slots=True)
class Proved:
    """What a finished handshake established."""

    peer: PeerId
    version: int
    """Highest protocol version common to both ends."""
    features: int
    """Abilities of both ends."""
    mesh_time: Millis
    """The other side's clock when it spoke."""


class Handshake:
    """One end of one link's handshake. Mutable: changed by `receive` alone."""

    def __init__(
        self,
        identity: Identity,
        network_id: bytes,
        transport: LinkTransport,
        *,
        kind: LinkKind,
        expected: PeerId | None,
        features: int,
        mesh_time: Millis,
        entropy: Callable[[int], bytes],
    ) -> None:
        """`expected` is who must be at the other end, None on a guest link to an address without a pinned id;
        `features` is the bit set of this node's optional abilities (`MeshConfig.features`)."""
        self._identity = identity
        self._network_id = network_id
        self._transport = transport
        self._kind = kind
        self._expected = expected
        self._auxiliary = entropy(32)
        self._step = Step.HELLO_DUE
        self._bytes = 0
        self._hello = Hello(
            peer=identity.peer,
            version_low=VERSION_LOW,
            version_high=VERSION_HIGH,
            features=features,
            kind=kind,
            mesh_time=mesh_time,
            nonce=entropy(NONCE_BYTES),
        )
        self._hello_body = encode_hello(self._hello)
        self._other: Hello | None = None
        self._other_body = b""

    def begin(self) -> list[tuple[FrameKind, bytes]]:
        """Return the frames to send at once: the offerer's HELLO."""
        return [(FrameKind.HELLO, self._hello_body)] if self._transport.role is Role.OFFERER else []

    def receive(self, kind: FrameKind, body: bytes) -> tuple[list[tuple[FrameKind, bytes]], Proved | None]:
        """Return the frames to send, and what is proved once the handshake is through.

        Raises `Malformed` on any fault of the other side: the link must end.
        """
        self._bytes += 1 + len(body)
        if self._bytes > HANDSHAKE_MAX:
            raise Malformed("over 4 KiB before the handshake ended")
        got = _GOT.get(kind)
        step = None if got is None else _TABLE.get((self._step, got))
        if step is None:
            raise Malformed(f"a {kind.name} frame while the handshake {self._step.value}")
        offerer = self._transport.role is Role.OFFERER
        frames: list[tuple[FrameKind, bytes]] = []
        proved: Proved | None = None
        if step is Step.AUTH_DUE:
            self._greet(decode_hello(body), body)
            frames = [(FrameKind.AUTH, self._sign())] if offerer else [(FrameKind.HELLO, self._hello_body)]
        else:
            proved = self._check(decode_auth(body))
            frames = [] if offerer else [(FrameKind.AUTH, self._sign())]
        self._step = step
        return frames, proved

    def _greet(self, other: Hello, body: bytes) -> None:
        if other.peer == self._identity.peer:
            raise Malformed("a link to ourselves")
        if self._expected is not None and other.peer != self._expected:
            raise Malformed("another peer than the one asked for")
        if other.kind is not self._kind:
            raise Malformed(f"a {other.kind.value} link where a {self._kind.value} one was agreed")
        if min(other.version_high, VERSION_HIGH) < max(other.version_low, VERSION_LOW):
            raise Malformed(f"no common version: {other.version_low} to {other.version_high}")
        self._other, self._other_body = other, body

    def _check(self, signature: bytes) -> Proved:
        other = self._other
        assert other is not None, "the table lets AUTH in after HELLO only"
        if not schnorr_valid(other.peer, self._transcript().digest(_opposite(self._transport.role)), signature):
            raise Malformed("the signature does not fit the transcript")
        return Proved(
            peer=other.peer,
            version=min(other.version_high, VERSION_HIGH),
            features=other.features & self._hello.features,
            mesh_time=other.mesh_time,
        )

    def _sign(self) -> bytes:
        digest = self._transcript().digest(self._transport.role)
        return schnorr_sign(self._identity.key, digest, self._auxiliary)

    def _transcript(self) -> Transcript:
        other, transport = self._other, self._transport
        assert other is not None, "nothing is signed before both HELLOs are known"
        mine = (self._identity.peer, transport.local_fingerprint, self._hello.nonce, self._hello_body)
        theirs = (other.peer, transport.remote_fingerprint, other.nonce, self._other_body)
        first, second = (mine, theirs) if transport.role is Role.OFFERER else (theirs, mine)
        return Transcript(
            network_id=self._network_id,
            offerer=first[0],
            answerer=second[0],
            offerer_fingerprint=first[1],
            answerer_fingerprint=second[1],
            offerer_nonce=first[2],
            answerer_nonce=second[2],
            offerer_hello=first[3],
            answerer_hello=second[3],
        )


def _opposite(role: Role) -> Role:
    return Role.ANSWERER if role is Role.OFFERER else Role.OFFERER
