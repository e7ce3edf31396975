"""Signing map records: the one place where a node's key meets its record."""

from chain.primitives.keys import schnorr_sign
from net.core.identity.identity import Identity
from net.core.wire.record import Record, fault_of, record_digest, with_signature


def sign_record(identity: Identity, record: Record, auxiliary: bytes) -> Record:
    """Return `record`, which is this identity's and keeps the public rules, with a signature in place of its own.

    `auxiliary` is 32 bytes of entropy.
    """
    assert record.peer == identity.peer, "a node signs for itself alone"
    assert fault_of(record) is None, "a node never signs what would convict it"
    return with_signature(record, schnorr_sign(identity.key, record_digest(record), auxiliary))
