"""Names of records lately taken: most names that neighbours tell are found here, without a look at the map."""

from collections.abc import Iterable

from net.core.wire.gossip import RecordName

GENERATION_MAX = 16_384
"""Most names of one generation, 2 MB; two are kept. A forgotten name costs a look-up in the map."""


class Names:
    """Two generations of names. The gossip machine alone changes it."""

    def __init__(self) -> None:
        self._young: set[RecordName] = set()
        self._old: set[RecordName] = set()

    def add(self, name: RecordName) -> None:
        """Remember a name."""
        self._young.add(name)
        if len(self._young) >= GENERATION_MAX:
            self.age()

    def age(self) -> None:
        """Forget the older generation and begin a new one."""
        self._old, self._young = self._young, set()

    def unknown(self, names: Iterable[RecordName]) -> list[RecordName]:
        """Return, in their order, the names that are not remembered."""
        young, old = self._young, self._old
        return [name for name in names if name not in young and name not in old]

    def __len__(self) -> int:
        """Return how many names are remembered."""
        return len(self._young) + len(self._old)
