"""A node's own identity: private key, peer id, proof of work."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from coincurve import PrivateKey

from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.hashing import sha256, tagged_hash
from chain.primitives.keys import CURVE_ORDER, schnorr_sign, schnorr_valid
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.identity.proof import EPOCH_LIMIT, NONCE_LIMIT, epoch_of, epoch_valid, find_proof

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Proof:
    """Proof of work of an id for one epoch (DESIGN section 3.1)."""

    nonce: int
    """Below 2^32."""
    epoch: int
    """Number of the id's epoch, below 2^16."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The key that names a node, with its current proof of work. Frozen: a renewed proof makes a new one."""

    key: PrivateKey = field(repr=False)
    """Secret scalar whose public point has an even y, as BIP340 lifts it, so that ECDH of two ids agrees."""
    peer: PeerId
    """The public name: the x coordinate of the public point, 32 bytes."""
    proof: Proof

    def sign(self, tag: str, data: bytes, auxiliary: bytes) -> bytes:
        """Return the 64-byte BIP340 signature of the tagged hash of `data`.

        `auxiliary` is 32 bytes of entropy (BIP340 section "Default Signing"); zeros are safe too, only less so
        against fault attacks.
        """
        return schnorr_sign(self.key, tagged_hash(tag, data), auxiliary)

    def shared_secret(self, other: PeerId) -> bytes:
        """Return the 32-byte secret that this node and `other` alone can compute (ECDH): keys of direct messages.

        Raises `Malformed` when `other` is no point of the curve.
        """
        try:
            return bytes(self.key.ecdh(b"\x02" + other))
        except ValueError:
            raise Malformed("a peer id that is no public key") from None

    def proven(self, proof: Proof) -> "Identity":
        """Return this identity with a newer proof."""
        return replace(self, proof=proof)


def signed_by(peer: PeerId, tag: str, data: bytes, signature: bytes) -> bool:
    """Tell whether `peer` signed the tagged hash of `data`. 60 µs, releases the GIL."""
    return schnorr_valid(peer, tagged_hash(tag, data), signature)


def identity_of(secret: bytes, proof: Proof) -> Identity:
    """Return the identity of a 32-byte secret scalar. Raises `Malformed` when it is zero or not below the order."""
    number = int.from_bytes(secret, "big")
    if len(secret) != 32 or not 0 < number < CURVE_ORDER:
        raise Malformed("not a private key")
    key = PrivateKey(secret)
    public = key.public_key.format()
    if public[0] == 3:
        key = PrivateKey((CURVE_ORDER - number).to_bytes(32, "big"))
    return Identity(key=key, peer=PeerId(public[1:]), proof=proof)


def create_identity(entropy: Callable[[int], bytes], now: Millis, difficulty: int) -> Identity:
    """Return a new identity, proven for the epoch of `now`. Takes `difficulty` times 0.5 ms on average."""
    while True:
        try:
            bare = identity_of(sha256(entropy(32)), Proof(nonce=0, epoch=0))
        except Malformed:  # once in 2^128 draws
            continue
        return renew(bare, now, difficulty, int.from_bytes(entropy(4), "big"))


def renew(identity: Identity, now: Millis, difficulty: int, start: int = 0) -> Identity:
    """Return the identity with a proof for the epoch of `now`: due once per epoch, the previous one still counts."""
    epoch = epoch_number(identity.peer, now)
    return identity.proven(Proof(nonce=find_proof(identity.peer, epoch, difficulty, start), epoch=epoch))


def epoch_number(peer: PeerId, now: Millis) -> int:
    """Return the epoch a new proof is made for."""
    epoch = epoch_of(peer, now)
    assert 0 <= epoch < EPOCH_LIMIT, "the clock stands between 1970 and 4480"
    return epoch


def proof_current(identity: Identity, now: Millis) -> bool:
    """Tell whether the proof counts now; when it is of the previous epoch, `renew` is due."""
    return epoch_valid(identity.peer, identity.proof.epoch, now)


def encode_identity(identity: Identity) -> bytes:
    """Return the bytes that `decode_identity` reads. They hold the secret: the file must be the owner's alone."""
    return pack([_VERSION, identity.key.secret, identity.proof.nonce, identity.proof.epoch])


def decode_identity(raw: bytes) -> Identity:
    """Return the stored identity. Raises `Malformed`."""
    match unpack(raw, max_bytes=64, max_items=4):
        case [int(version), bytes(secret), int(nonce), int(epoch)] if (
            version == _VERSION
            and not isinstance(nonce, bool)
            and not isinstance(epoch, bool)
            and 0 <= nonce < NONCE_LIMIT
            and 0 <= epoch < EPOCH_LIMIT
        ):
            return identity_of(secret, Proof(nonce=nonce, epoch=epoch))
        case _:
            raise Malformed("not a stored identity")
