"""Checks what peers signed, and counts what that costs, so that the guard can charge it to whom it came from."""

from chain.primitives.peer import PeerId
from net.core.map.checks import Checks
from net.core.map.peer_map import PeerMap
from net.core.map.statistics import Forged
from net.core.wire.fault import Spent
from net.core.wire.record import Record


class Verifier:
    """One per gossip machine."""

    def __init__(self, peer_map: PeerMap, checks: Checks) -> None:
        self._map = peer_map
        self._checks = checks
        self.signatures = 0
        """Signatures checked."""
        self.proofs = 0
        """Proofs of work checked."""

    def require_signature(self, record: Record) -> None:
        """Raise `Forged` unless the origin signed the record."""
        self.signatures += 1
        if not self._checks.signature(record):
            raise Forged("a record with an invalid signature")

    def require_proof(self, record: Record) -> None:
        """Raise `Forged` unless the origin's id has its proof of work; one that the map holds is not checked again."""
        if self._map.proof(record.peer) == (record.nonce, record.epoch & 0xFF):
            return
        self.proofs += 1
        if not self._checks.proof(record.peer, record.nonce, record.epoch):
            raise Forged("a record with an invalid proof of work")

    def spent(self) -> tuple[int, int]:
        """Return how many proofs and signatures were checked so far."""
        return self.proofs, self.signatures

    def charge(self, peer: PeerId, before: tuple[int, int]) -> list[Spent]:
        """Return what was checked since `spent` gave `before`, as a charge to a neighbour; empty if nothing was."""
        proofs, signatures = self.proofs - before[0], self.signatures - before[1]
        return [Spent(peer, argon2=proofs, signatures=signatures)] if proofs or signatures else []
