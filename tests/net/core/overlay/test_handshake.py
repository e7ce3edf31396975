"""The handshake, both ends in one test: the good way, and each way to break it."""

from collections.abc import Callable
from random import Random

import pytest

from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import LinkKind, LinkTransport, Role
from net.core.identity.identity import Identity, Proof, identity_of
from net.core.overlay.handshake import Handshake, Proved, Step
from net.core.wire.frame import FrameKind
from net.core.wire.handshake import HANDSHAKE_MAX

ANNA = identity_of(b"a" * 32, Proof(0, 0))
BERT = identity_of(b"b" * 32, Proof(0, 0))
EVE = identity_of(b"e" * 32, Proof(0, 0))
NETWORK = bytes(32)
CERTIFICATES = (b"1" * 32, b"2" * 32)


def end(
    identity: Identity,
    role: Role,
    *,
    expected: PeerId | None = None,
    kind: LinkKind = LinkKind.LISTED,
    network: bytes = NETWORK,
    certificates: tuple[bytes, bytes] = CERTIFICATES,
    features: int = 0,
    seed: int = 1,
) -> Handshake:
    local, remote = certificates if role is Role.OFFERER else certificates[::-1]
    return Handshake(
        identity,
        network,
        LinkTransport(role, local, remote, "127.0.0.1"),
        kind=kind,
        expected=expected,
        features=features,
        mesh_time=Millis(1_000),
        entropy=Random(f"{role}/{seed}").randbytes,
    )


def shake(
    offerer: Handshake,
    answerer: Handshake,
    munge: Callable[[FrameKind, bytes, Role], bytes] = lambda kind, body, sender: body,
) -> tuple[Proved | None, Proved | None]:
    """Carry frames between both ends until they are quiet; return what each has proved."""
    proved: dict[Role, Proved | None] = {Role.OFFERER: None, Role.ANSWERER: None}
    ends = {Role.OFFERER: offerer, Role.ANSWERER: answerer}
    waiting = [(Role.OFFERER, frame) for frame in offerer.begin()] + [(Role.ANSWERER, f) for f in answerer.begin()]
    while waiting:
        sender, (kind, body) = waiting.pop(0)
        receiver = Role.ANSWERER if sender is Role.OFFERER else Role.OFFERER
        frames, result = ends[receiver].receive(kind, munge(kind, body, sender))
        proved[receiver] = result or proved[receiver]
        waiting += [(receiver, frame) for frame in frames]
    return proved[Role.OFFERER], proved[Role.ANSWERER]


def test_both_ends_prove_themselves() -> None:
    at_anna, at_bert = shake(end(ANNA, Role.OFFERER, expected=BERT.peer), end(BERT, Role.ANSWERER, expected=ANNA.peer))
    assert at_anna == Proved(BERT.peer, 1, 0, Millis(1_000))
    assert at_bert == Proved(ANNA.peer, 1, 0, Millis(1_000))


@pytest.mark.parametrize(
    ("offered", "answered", "both"),
    [(0, 0, 0), (1, 0, 0), (0, 1, 0), (1, 1, 1), (0b011, 0b110, 0b010), ((1 << 64) - 1, 1 << 63, 1 << 63)],
)
def test_features_are_those_that_both_ends_tell(offered: int, answered: int, both: int) -> None:
    ends = shake(end(ANNA, Role.OFFERER, features=offered), end(BERT, Role.ANSWERER, features=answered))
    assert [proved.features for proved in ends if proved is not None] == [both, both]


@pytest.mark.parametrize(
    ("offerer", "answerer"),
    [
        (end(ANNA, Role.OFFERER), end(BERT, Role.ANSWERER, network=b"x" * 32)),
        (end(ANNA, Role.OFFERER), end(BERT, Role.ANSWERER, kind=LinkKind.GUEST)),
        (end(ANNA, Role.OFFERER, expected=EVE.peer), end(BERT, Role.ANSWERER)),
        (end(ANNA, Role.OFFERER), end(BERT, Role.ANSWERER, expected=EVE.peer)),
        (end(ANNA, Role.OFFERER), end(ANNA, Role.ANSWERER)),
        (end(ANNA, Role.OFFERER), end(BERT, Role.ANSWERER, certificates=(b"1" * 32, b"3" * 32))),
        (end(ANNA, Role.OFFERER), end(BERT, Role.ANSWERER, certificates=(b"3" * 32, b"2" * 32))),
    ],
    ids=["network", "kind", "other answerer", "other offerer", "itself", "answerer's DTLS", "offerer's DTLS"],
)
def test_ends_that_disagree_do_not_link(offerer: Handshake, answerer: Handshake) -> None:
    with pytest.raises(Malformed):
        shake(offerer, answerer)


@pytest.mark.parametrize("changed", [(kind, role) for kind in (FrameKind.HELLO, FrameKind.AUTH) for role in Role])
def test_a_changed_frame_is_noticed(changed: tuple[FrameKind, Role]) -> None:
    def munge(kind: FrameKind, body: bytes, sender: Role) -> bytes:
        return body[:-1] + bytes((body[-1] ^ 1,)) if (kind, sender) == changed else body

    with pytest.raises(Malformed):
        shake(end(ANNA, Role.OFFERER), end(BERT, Role.ANSWERER), munge)


def test_an_auth_of_another_session_does_not_count() -> None:
    stolen: list[bytes] = []

    def listen(kind: FrameKind, body: bytes, sender: Role) -> bytes:
        if kind is FrameKind.AUTH and sender is Role.OFFERER:
            stolen.append(body)
        return body

    shake(end(ANNA, Role.OFFERER), end(BERT, Role.ANSWERER), listen)

    def replay(kind: FrameKind, body: bytes, sender: Role) -> bytes:
        return stolen[0] if kind is FrameKind.AUTH and sender is Role.OFFERER else body

    with pytest.raises(Malformed):
        shake(end(ANNA, Role.OFFERER, seed=2), end(BERT, Role.ANSWERER, seed=2), replay)


def test_an_auth_cannot_be_reflected() -> None:
    answerer = end(BERT, Role.ANSWERER)
    offerer = end(ANNA, Role.OFFERER)
    (hello,) = offerer.begin()
    (reply,), _ = answerer.receive(*hello)
    (auth,), _ = offerer.receive(*reply)
    with pytest.raises(Malformed):
        offerer.receive(*auth)


@pytest.mark.parametrize("kind", [kind for kind in FrameKind if kind is not FrameKind.HELLO])
def test_nothing_but_a_hello_comes_first(kind: FrameKind) -> None:
    with pytest.raises(Malformed):
        end(BERT, Role.ANSWERER).receive(kind, bytes(64))


def test_a_second_hello_is_refused() -> None:
    answerer = end(BERT, Role.ANSWERER)
    (hello,) = end(ANNA, Role.OFFERER).begin()
    answerer.receive(*hello)
    with pytest.raises(Malformed):
        answerer.receive(*hello)


def test_four_kibibytes_are_the_most() -> None:
    with pytest.raises(Malformed, match="4 KiB"):
        end(BERT, Role.ANSWERER).receive(FrameKind.HELLO, bytes(HANDSHAKE_MAX))


def test_the_steps_have_words() -> None:
    assert all(step.value for step in Step)
