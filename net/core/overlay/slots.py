"""Own links: how many, in which slots, and whom each slot dials next (DESIGN section 3.3)."""

from collections import deque
from collections.abc import Callable, Sequence

import numpy as np

from chain.primitives.peer import PEER_ID_BYTES, PeerId
from chain.primitives.siphash import KEY_BYTES, siphash13
from chain.primitives.units import Millis
from net.core.config import MeshConfig
from net.core.wire.signal import Refusal

BEST = 32
RECENT_REFUSALS = BEST // 2
"""Over half of the best 32 refusing for want of room is the slot-exhaustion alarm."""

_MINUTE = Millis(60_000)

AVOID: dict[Refusal, Millis] = {
    Refusal.FULL: _MINUTE,
    Refusal.BUSY: Millis(2_000),
    Refusal.LINKED: Millis(5_000),
    Refusal.UNWANTED: Millis(600_000),
    Refusal.FAILED: Millis(5_000),
}
"""How long a slot leaves out a peer that refused, the first time; it doubles each time, up to AVOID_LONGEST."""

AVOID_LONGEST = Millis(600_000)

AVOID_SILENT = _MINUTE
"""How long slots leave out a peer whose link fell silent. It stays on the map until its neighbours have told of it, and
its hash is the smallest of all: without this, 310 of 449 dials after a crash of a third went to the dead."""

AVOIDED_MAX = 1024
"""Peers left out at once; the one entered longest ago goes first."""

HAND_BACK_EVERY = _MINUTE
"""A node whose first hour ends gives back one own link in this time."""


class Slots:
    """The own slots of one node. Mutable: changed by its own methods alone."""

    def __init__(self, config: MeshConfig, entropy: Callable[[int], bytes]) -> None:
        self._config = config
        self._entropy = entropy
        self._secrets = [entropy(KEY_BYTES) for _ in range(config.own_young)]
        self._holder: dict[int, PeerId] = {}
        self._avoided: dict[PeerId, tuple[Millis, Millis]] = {}
        """Until when, and how long the last refusal counted for: the next one counts twice that."""
        self._moves: list[deque[Millis]] = [deque() for _ in range(config.own_young)]
        self._outcomes: deque[bool] = deque(maxlen=BEST)

    def limit(self, age: Millis) -> int:
        """Return how many own links an id of this age may list: the young allowance shrinks by one a minute, so that it
        is gone before the hour is over and the record stays valid."""
        left = max(0, (self._config.young_for - age) // HAND_BACK_EVERY - 1)
        return min(self._config.own_young, self._config.own_max + left)

    def wanted(self, *, listed: int, own: int, age: Millis) -> int:
        """Return how many own links to open now, those being set up counted as `own` and `listed`."""
        wanted = max(self._config.own_core - own, self._config.links - listed)
        return max(0, min(self.limit(age) - own, self._config.cap - listed, wanted)) if wanted > 0 else 0

    def surplus(self, *, own: int, age: Millis) -> int:
        """Return how many own links an id of this age may no longer list."""
        return max(0, own - self.limit(age))

    def spare(self, *, listed: int, own: int) -> int:
        """Return how many own links the node has no need of: more than `links` are listed without them, and the core
        stays."""
        return max(0, min(own - self._config.own_core, listed - self._config.links))

    def free(self, now: Millis) -> list[int]:
        """Return the slots that nobody holds and that may dial, lowest first."""
        return [slot for slot in range(len(self._secrets)) if slot not in self._holder and self.may_move(slot, now)]

    def hold(self, slot: int, peer: PeerId) -> None:
        """Note that a slot dials or has a peer."""
        self._holder[slot] = peer

    def release(self, slot: int | None) -> None:
        """Note that a slot's link has ended."""
        if slot is not None:
            self._holder.pop(slot, None)

    def best(self, slot: int, peers: Sequence[PeerId], count: int) -> list[PeerId]:
        """Return the `count` peers with the smallest keyed hashes for this slot, the smallest first."""
        if not peers:
            return []
        words = np.frombuffer(b"".join(peers), dtype="<u8").reshape(-1, PEER_ID_BYTES // 8)
        hashed = siphash13(self._secrets[slot], words)
        found = np.argpartition(hashed, min(count, len(peers)) - 1)[:count]
        return [peers[at] for at in found[np.argsort(hashed[found])].tolist()]

    def better(self, slot: int, holder: PeerId, peers: Sequence[PeerId]) -> PeerId | None:
        """Return the peer with the smallest keyed hash for this slot, None if that is its holder."""
        best = self.best(slot, [holder, *peers], 1)[0]
        return None if best == holder else best

    def reseed(self, slot: int) -> None:
        """Draw a new secret for a slot: its choice is made anew, so that no attacker can wait beside an old one."""
        self._secrets[slot] = self._entropy(KEY_BYTES)

    def may_move(self, slot: int, now: Millis) -> bool:
        """Tell whether a slot may dial: after moves_per_minute refusals it waits."""
        moves = self._moves[slot]
        while moves and moves[0] <= now - _MINUTE:
            moves.popleft()
        return len(moves) < self._config.moves_per_minute

    def failed(self, slot: int | None, peer: PeerId, cause: Refusal, now: Millis) -> None:
        """Leave a peer out for a while after a refusal or a failed dial, and count the slot's move to its next hash."""
        before = self._avoided.get(peer)
        length = AVOID[cause] if before is None else min(max(2 * before[1], AVOID[cause]), AVOID_LONGEST)
        self._avoid(peer, Millis(now + length), Millis(length))
        if cause in (Refusal.FULL, Refusal.UNWANTED, Refusal.FAILED):
            if slot is not None:
                self._moves[slot].append(now)
            self._outcomes.append(cause is Refusal.FULL)

    def silent(self, peer: PeerId, now: Millis) -> None:
        """Leave a peer out for AVOID_SILENT: nothing came from it for long. One left out for longer stays so."""
        until, length = self._avoided.get(peer, (now, AVOID_SILENT))
        self._avoid(peer, Millis(max(until, now + AVOID_SILENT)), max(length, AVOID_SILENT))

    def _avoid(self, peer: PeerId, until: Millis, length: Millis) -> None:
        self._avoided.pop(peer, None)
        self._avoided[peer] = (until, length)
        if len(self._avoided) > AVOIDED_MAX:
            del self._avoided[next(iter(self._avoided))]

    def succeeded(self, peer: PeerId) -> None:
        """Note that a peer took the link."""
        self._avoided.pop(peer, None)
        self._outcomes.append(False)

    def avoided(self, now: Millis) -> list[PeerId]:
        """Return the peers left out at this moment."""
        return [peer for peer, (until, _) in self._avoided.items() if now < until]

    def next_return(self, now: Millis) -> Millis | None:
        """Return when the first peer left out is a candidate again."""
        return min((until for until, _ in self._avoided.values() if until > now), default=None)

    def exhausted(self) -> bool:
        """Tell whether over half of the last BEST dials met full peers: the slot-exhaustion alarm."""
        return sum(self._outcomes) > RECENT_REFUSALS

    def own(self) -> Sequence[PeerId]:
        """Return the peers that hold slots."""
        return list(self._holder.values())
