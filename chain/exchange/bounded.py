"""Small memories that forget their oldest entries."""

from collections import OrderedDict

from chain.primitives.units import Hash32, Millis


class RecentHashes:
    """Hashes remembered for a while; when full the oldest goes first."""

    def __init__(self, *, most: int, lifetime: Millis | None) -> None:
        self._most = most
        self._lifetime = lifetime
        self._seen: OrderedDict[Hash32, Millis] = OrderedDict()

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, digest: Hash32, now: Millis) -> None:
        """Remember a hash."""
        self._seen[digest] = now
        self._seen.move_to_end(digest)
        while len(self._seen) > self._most:
            self._seen.popitem(last=False)

    def has(self, digest: Hash32, now: Millis) -> bool:
        """Tell whether a hash is remembered."""
        at = self._seen.get(digest)
        if at is None:
            return False
        if self._lifetime is not None and at + self._lifetime <= now:
            del self._seen[digest]
            return False
        return True


class RecentBodies:
    """The encoded transactions of recent blocks, so that parts are served without reading and splitting a body."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._bodies: OrderedDict[Hash32, tuple[bytes, ...]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._bodies)

    def put(self, block_id: Hash32, raws: tuple[bytes, ...]) -> None:
        """Remember a body that was verified to belong to its header."""
        self._bodies[block_id] = raws
        while len(self._bodies) > self._most:
            self._bodies.popitem(last=False)

    def get(self, block_id: Hash32) -> tuple[bytes, ...] | None:
        """Return a body's transactions."""
        return self._bodies.get(block_id)
