"""Keys and ciphers of direct messages: ECDH between two ids, ChaCha20-Poly1305, MACs of acknowledgements."""

from collections import OrderedDict
from hashlib import blake2b

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from chain.primitives.canonical import pack
from chain.primitives.errors import Malformed
from chain.primitives.hashing import tagged_hash
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.identity.identity import Identity
from net.core.wire.direct import ACK_MAC_BYTES

SECRETS_MAX = 1024
"""Shared secrets remembered: each costs 54 µs to compute again. The one used longest ago goes first."""

_NONCE_BYTES = 12


class Seal:
    """What this node can encrypt, decrypt and acknowledge. Mutable only as a cache."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._secrets: OrderedDict[PeerId, bytes] = OrderedDict()

    def encrypt(self, target: PeerId, message_id: bytes, expiry: Millis, plain: bytes) -> bytes:
        """Return the body for `target`. Raises `Malformed` if the target is no public key.

        The nonce is the head of the random message id. The route is not authenticated here but by the sender's
        signature: copies of one message on two routes then are equal, so no nonce meets two texts.
        """
        peer = self._identity.peer
        cipher = ChaCha20Poly1305(self._key("body", target, peer, target))
        return cipher.encrypt(message_id[:_NONCE_BYTES], plain, pack([message_id, peer, target, expiry]))

    def decrypt(self, sender: PeerId, message_id: bytes, expiry: Millis, body: bytes) -> bytes:
        """Return the plain text of a body for this node. Raises `Malformed` when it does not open."""
        peer = self._identity.peer
        cipher = ChaCha20Poly1305(self._key("body", sender, sender, peer))
        try:
            return cipher.decrypt(message_id[:_NONCE_BYTES], body, pack([message_id, sender, peer, expiry]))
        except InvalidTag:
            raise Malformed("a body that does not open") from None

    def own_mac(self, sender: PeerId, message_id: bytes, index: int) -> bytes:
        """Return the MAC by which this node tells `sender` that its message was here."""
        return _mac(self._key("ack", sender, self._identity.peer, sender), message_id, index)

    def relay_mac(self, relay: PeerId, message_id: bytes, index: int) -> bytes:
        """Return the MAC that `relay` sends for a message of this node."""
        return _mac(self._key("ack", relay, relay, self._identity.peer), message_id, index)

    def _key(self, purpose: str, other: PeerId, speaker: PeerId, listener: PeerId) -> bytes:
        secret = self._secrets.get(other)
        if secret is None:
            secret = self._identity.shared_secret(other)
            self._secrets[other] = secret
            if len(self._secrets) > SECRETS_MAX:
                self._secrets.popitem(last=False)
        else:
            self._secrets.move_to_end(other)
        return tagged_hash(f"mappemonde/direct/{purpose}", secret + speaker + listener)


def _mac(key: bytes, message_id: bytes, index: int) -> bytes:
    return blake2b(message_id + bytes((index,)), key=key, digest_size=ACK_MAC_BYTES).digest()
