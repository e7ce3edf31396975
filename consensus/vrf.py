"""ECVRF-SECP256K1-SHA256-TAI under the rules of RFC 9381 (rule 11 of DESIGN section 5).

RFC 9381 names no suite over secp256k1; this is its section 5 with that curve, suite byte 0xFE (private use), SHA-256,
try-and-increment (5.4.1.1) and nonces by RFC 6979 (5.4.2.1). The cofactor is one. Point products are libsecp256k1's
through coincurve, whose product of a point and a scalar is not constant in time: prove where nobody can time it.
"""

import hashlib
import hmac
from dataclasses import dataclass

from coincurve import PrivateKey, PublicKey

from chain.primitives.errors import Malformed
from chain.primitives.keys import CURVE_ORDER

PROOF_BYTES = 81
"""Gamma (33), challenge (16), response (32)."""

BETA_BYTES = 32

_SUITE = b"\xfe"
_HASH_TO_CURVE = b"\x01"
_CHALLENGE = b"\x02"
_PROOF_TO_HASH = b"\x03"
_BACK = b"\x00"
_CHALLENGE_BYTES = 16


@dataclass(frozen=True, slots=True)
class _Proof:
    gamma: PublicKey
    challenge: int
    response: int


def prove(key: PrivateKey, alpha: bytes) -> bytes:
    """Return the 81-byte proof of a key for an input (RFC 9381, 5.1). 0.3 ms."""
    public = PublicKey.from_valid_secret(key.secret)
    public_bytes = public.format()
    point = _hash_to_curve(public_bytes, alpha)
    point_bytes = point.format()
    secret = int.from_bytes(key.secret, "big")
    gamma = point.multiply(key.secret)
    nonce = _nonce(key.secret, point_bytes)
    challenge = _challenge(
        public_bytes, point_bytes, gamma.format(), PublicKey.from_valid_secret(nonce), point.multiply(nonce)
    )
    response = (int.from_bytes(nonce, "big") + challenge * secret) % CURVE_ORDER
    return bytes(gamma.format()) + challenge.to_bytes(_CHALLENGE_BYTES, "big") + response.to_bytes(32, "big")


def verify(public_key: bytes, alpha: bytes, proof: bytes) -> bytes:
    """Return the 32-byte output of a valid proof (RFC 9381, 5.3). 0.3 ms.

    Raises `Malformed` if the key is no point, the proof cannot be decoded, or it does not belong to key and input.
    """
    decoded = _decode(proof)
    try:
        public = PublicKey(public_key)
        point = _hash_to_curve(public_key, alpha)
        minus_challenge = _scalar(CURVE_ORDER - decoded.challenge)
        response = _scalar(decoded.response)
        # U = s B - c Y and V = s H - c Gamma; the sum of two points that cancel out is no point: refused by the library
        left = PublicKey.combine_keys([PublicKey.from_secret(response), public.multiply(minus_challenge)])
        right = PublicKey.combine_keys([point.multiply(response), decoded.gamma.multiply(minus_challenge)])
    except ValueError as error:
        raise Malformed(f"VRF proof is wrong: {error}") from None
    if _challenge(public_key, point.format(), decoded.gamma.format(), left, right) != decoded.challenge:
        raise Malformed("VRF proof does not fit key and input")
    return _output(decoded.gamma)


def claimed_output(proof: bytes) -> bytes:
    """Return the output that a proof gives if it is valid, without verifying it (RFC 9381, 5.2). 10 µs.

    Raises `Malformed` if the proof cannot be decoded.
    """
    return _output(_decode(proof).gamma)


def _decode(proof: bytes) -> _Proof:
    if len(proof) != PROOF_BYTES:
        raise Malformed(f"a VRF proof has {PROOF_BYTES} bytes, not {len(proof)}")
    challenge = int.from_bytes(proof[33:49], "big")
    response = int.from_bytes(proof[49:], "big")
    if not 0 < response < CURVE_ORDER or challenge == 0:
        # zero is in range for the RFC, but no honest prover meets it once in 2^128 proofs
        raise Malformed("VRF proof out of range")
    try:
        return _Proof(PublicKey(proof[:33]), challenge, response)
    except ValueError as error:
        raise Malformed(f"VRF proof holds no point: {error}") from None


def _hash_to_curve(public_key: bytes, alpha: bytes) -> PublicKey:
    head = _SUITE + _HASH_TO_CURVE + public_key + alpha
    for counter in range(256):
        candidate = hashlib.sha256(head + bytes((counter,)) + _BACK).digest()
        try:
            return PublicKey(b"\x02" + candidate)
        except ValueError:
            continue  # not the x of a point: half of all are not
    raise Malformed("no point for this VRF input")  # once in 2^256


def _challenge(public_key: bytes, point: bytes, gamma: bytes, left: PublicKey, right: PublicKey) -> int:
    text = _SUITE + _CHALLENGE + public_key + point + gamma + left.format() + right.format() + _BACK
    return int.from_bytes(hashlib.sha256(text).digest()[:_CHALLENGE_BYTES], "big")


def _output(gamma: PublicKey) -> bytes:
    return hashlib.sha256(_SUITE + _PROOF_TO_HASH + gamma.format() + _BACK).digest()


def _scalar(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _nonce(secret: bytes, message: bytes) -> bytes:
    """Return the nonce of RFC 6979, section 3.2, with SHA-256 for key and message."""
    digest = int.from_bytes(hashlib.sha256(message).digest(), "big") % CURVE_ORDER
    seed = secret + _scalar(digest)
    key, value = bytes(32), b"\x01" * 32
    for separator in (b"\x00", b"\x01"):
        key = hmac.digest(key, value + separator + seed, "sha256")
        value = hmac.digest(key, value, "sha256")
    while True:
        value = hmac.digest(key, value, "sha256")
        if 0 < int.from_bytes(value, "big") < CURVE_ORDER:
            return value
        key = hmac.digest(key, value + b"\x00", "sha256")
        value = hmac.digest(key, value, "sha256")
