"""Which trie nodes the kept states reach: the mark phase of `prune`.

States are walked as differences. The first one is walked whole; of each further one only what does not stand at the
same place in a state that was marked before it: a node found there by the same hash heads the same subtree. So no set
of visited nodes is needed to end the walk, and none could end it too early.

A mark is the first eight bytes of a node's hash. Two hashes that share them make a dead node look alive, which keeps a
few hundred bytes; a live one is never taken for dead. Each node of the kept states costs eight bytes of memory, a
sixteenth more while the list grows: 10 million nodes, 85 MB. (A set of whole hashes takes 120 bytes a node; and if
shortened ones ended the walk, two nodes with a collision that somebody ground would lose what lies below one of them.)
"""

from array import array
from collections.abc import Callable, Sequence

import numpy as np

from chain.ports import NodeReader
from chain.primitives.errors import Malformed, StorageError
from chain.primitives.units import Hash32
from chain.state import decode_account
from chain.trie import read_node
from chain.trie_nodes import EMPTY_ROOT, Branch, Extension, Link, Node, NodeCache

MARK_BYTES = 8
"""Bytes of a hash that are kept: among 10 million marks one in 1.8 * 10^12 dead nodes is kept by chance."""

CACHE_NODES = 16_384
"""Decoded nodes, up to twice as many, that are remembered: the upper levels, which every difference reads; 32 MB."""

TELL_EVERY = 10_000
"""Nodes between two words on the progress: a tenth of a second."""


class StateMarks:
    """Collects the nodes of states, then tells which node belongs to any of them."""

    def __init__(self, reader: NodeReader, tell: Callable[[int], None]) -> None:
        """`tell` hears the number of marks so far, every TELL_EVERY nodes."""
        self._reader = reader
        self._tell = tell
        self._cache = NodeCache(CACHE_NODES)
        self._marks = array("Q")

    def __len__(self) -> int:
        """Return the number of marks; a node that is reached at two places counts twice."""
        return len(self._marks)

    def add(self, root: Hash32, *, beside: Hash32 = EMPTY_ROOT) -> None:
        """Mark the nodes of the state under `root` that the one under `beside`, marked before, has not at their place.

        Raises `MissingNode` or `StorageError` when the state is not whole.
        """
        waiting: list[tuple[Link, Link, bool]] = [(_link(root), _link(beside), True)]
        while waiting:
            new, old, accounts = waiting.pop()
            if new is None or (isinstance(new, bytes) and new == old):
                continue
            node = self._node(new, mark=True)
            other = None if old is None else self._node(old, mark=False)
            if isinstance(node, Branch):
                others: Sequence[Link] = other.children if isinstance(other, Branch) else (None,) * 16
                waiting += [(child, others[place], accounts) for place, child in enumerate(node.children) if child]
            elif isinstance(node, Extension):
                same = isinstance(other, Extension) and other.path == node.path
                waiting.append((node.child, other.child if same and isinstance(other, Extension) else None, accounts))
            elif accounts:
                # A storage trie that another account holds as well was marked with that one, or is marked now.
                before = None
                if not isinstance(other, Branch | Extension) and other is not None and other.path == node.path:
                    before = _storage(other.value)
                waiting.append((_storage(node.value), before, False))

    def sort(self) -> None:
        """Make ready to be asked; nothing is added afterwards."""
        np.frombuffer(self._marks, dtype=np.uint64).sort()

    def marked(self, hashes: Sequence[bytes]) -> list[bool]:
        """Tell for each of some node hashes whether it is marked; after `sort`."""
        marks = np.frombuffer(self._marks, dtype=np.uint64)
        if not len(marks) or not hashes:
            return [False] * len(hashes)
        asked = np.frombuffer(b"".join(node[:MARK_BYTES] for node in hashes), dtype=">u8").astype(np.uint64)
        places = np.minimum(np.searchsorted(marks, asked), len(marks) - 1)
        found: list[bool] = (marks[places] == asked).tolist()
        return found

    def _node(self, link: bytes | Node, *, mark: bool) -> Node:
        if not isinstance(link, bytes):
            return link
        if mark:
            self._marks.append(int.from_bytes(link[:MARK_BYTES], "big"))
            if len(self._marks) % TELL_EVERY == 0:
                self._tell(len(self._marks))
        node = self._cache.get(link)
        return read_node(self._reader, self._cache, link) if node is None else node


def _link(root: bytes) -> Link:
    return None if root == EMPTY_ROOT else root


def _storage(value: bytes) -> Link:
    try:
        return _link(decode_account(value).storage_root)
    except Malformed as error:
        raise StorageError(f"an account of the state is damaged ({error})") from None
