"""Merkle Patricia tries (yellow paper, appendix D): changes stay in memory until `commit` hashes each node once.

Keys are taken as they are; `state` hashes its keys first (a secure trie). `ordered_root` is the root over the
transactions or receipts of a block.
"""

from collections.abc import Iterable, Iterator, Sequence

from chain.ports import NodeReader
from chain.primitives import rlp
from chain.primitives.errors import Malformed, StorageError
from chain.primitives.hashing import keccak256
from chain.primitives.units import Hash32
from chain.trie_nodes import (
    EMPTY_ROOT,
    Branch,
    Extension,
    Leaf,
    Link,
    Node,
    NodeCache,
    decode_node,
    encode_node,
    to_nibbles,
)

PRIVATE_CACHE_NODES = 2_048
"""Nodes, up to twice as many, that a trie keeps decoded when its caller shares no cache with it; at most 4 MB."""


class MissingNode(StorageError):
    """A node of a trie is not in the database: the state was pruned, or the database is damaged."""

    def __init__(self, node_hash: bytes) -> None:
        # Libraries and indexers look for the phrases of geth: "missing trie node", "historical state", "not available".
        super().__init__(
            f"missing trie node {node_hash.hex()}: historical state is not available, it was pruned or never stored"
        )
        self.node_hash = node_hash


def read_node(reader: NodeReader, cache: NodeCache, link: bytes) -> Node:
    """Return a stored node by its hash and leave it in the cache, where it was not.

    Raises `MissingNode`, and `StorageError` for one that is damaged.
    """
    raw = reader.trie_node(Hash32(link))
    if raw is None:
        raise MissingNode(link)
    try:
        node = decode_node(raw)
    except Malformed as error:
        raise StorageError(f"state node {link.hex()} is damaged ({error}): restore a backup") from None
    cache.put(link, node)
    return node


class Trie:
    """One trie over stored nodes; only its owner changes it, and only through `put` and `delete`."""

    def __init__(self, reader: NodeReader, root: Hash32, cache: NodeCache | None = None) -> None:
        self._reader = reader
        self._cache = cache if cache is not None else NodeCache(PRIVATE_CACHE_NODES)
        self._root: Link = None if root == EMPTY_ROOT else root

    def get(self, key: bytes) -> bytes:
        """Return the value of a key, empty if there is none. Raises `MissingNode`."""
        path = to_nibbles(key)
        at = 0
        link = self._root
        while link is not None:
            node = self._resolve(link)
            if type(node) is Branch:
                if at == len(path):
                    return node.value
                link = node.children[path[at]]
                at += 1
            elif type(node) is Leaf:
                return node.value if node.path == path[at:] else b""
            else:
                assert type(node) is Extension
                if not path.startswith(node.path, at):
                    return b""
                at += len(node.path)
                link = node.child
        return b""

    def put(self, key: bytes, value: bytes) -> None:
        """Set the value of a key; an empty value deletes it. Raises `MissingNode`."""
        if value:
            self._root = self._put(self._root, to_nibbles(key), value)
        else:
            self.delete(key)

    def put_many(self, entries: Iterable[tuple[bytes, bytes]]) -> None:
        """Set the values of many keys, each given once; faster than one by one, since every fork is visited once."""
        items: list[tuple[bytes, bytes]] = []
        for key, value in entries:
            if value:
                items.append((to_nibbles(key), value))
            else:
                self.delete(key)
        items.sort()
        if items:
            self._root = self._put_sorted(self._root, items, 0)

    def delete(self, key: bytes) -> None:
        """Remove a key if it is there. Raises `MissingNode`."""
        self._root = self._delete(self._root, to_nibbles(key))

    def commit(self) -> tuple[Hash32, dict[Hash32, bytes]]:
        """Return the root and the nodes that were not there before; the trie goes on from there."""
        new: dict[Hash32, bytes] = {}
        root = self._root
        if root is None:
            return EMPTY_ROOT, new
        if isinstance(root, bytes):
            return Hash32(root), new
        raw = encode_node(root, new, self._cache)
        digest = keccak256(raw)
        new[digest] = raw
        self._cache.put(digest, root)
        self._root = digest
        return digest, new

    def prove(self, key: bytes) -> tuple[bytes, ...]:
        """Return the encoded nodes from the root towards a key, which prove its value or its absence.

        The trie must have no uncommitted change. Raises `MissingNode`.
        """
        path = to_nibbles(key)
        proof: list[bytes] = []
        at = 0
        link = self._root
        while link is not None:
            node = self._resolve(link)
            assert not node.dirty, "a trie is proved after its commit"
            if isinstance(link, bytes):
                proof.append(encode_node(node, {}, self._cache))
            if type(node) is Branch:
                if at == len(path):
                    break
                link = node.children[path[at]]
                at += 1
            elif type(node) is Extension and path.startswith(node.path, at):
                at += len(node.path)
                link = node.child
            else:
                break
        return tuple(proof)

    def _resolve(self, link: bytes | Node) -> Node:
        if type(link) is not bytes:
            assert not isinstance(link, bytes)
            return link
        node = self._cache.get(link)
        return read_node(self._reader, self._cache, link) if node is None else node

    def _put(self, link: Link, path: bytes, value: bytes) -> Node | bytes:
        """Return what stands in place of `link`; `link` itself if nothing below changed or it was changed in place."""
        if link is None:
            return Leaf(path, value)
        node = self._resolve(link)
        if type(node) is Branch:
            if not path:
                if node.value == value:
                    return link
                node = _owned_branch(node)
                node.value = value
                return node
            child = node.children[path[0]]
            changed = self._put(child, path[1:], value)
            if changed is child:
                return link
            node = _owned_branch(node)
            node.children[path[0]] = changed
            return node
        if type(node) is Leaf:
            if node.path == path:
                return link if node.value == value else Leaf(path, value)
            return _split(node.path, Leaf, node.value, path, value)
        assert type(node) is Extension
        if path.startswith(node.path):
            changed = self._put(node.child, path[len(node.path) :], value)
            return link if changed is node.child else Extension(node.path, changed)
        return _split(node.path, Extension, node.child, path, value)

    def _put_sorted(self, link: Link, items: list[tuple[bytes, bytes]], at: int) -> Node | bytes:
        """Do what `_put` does for each of `items`, sorted by path; their first `at` nibbles lead to `link`."""
        if len(items) == 1:
            path, value = items[0]
            return self._put(link, path[at:], value)
        node: Node | None = None if link is None else self._resolve(link)
        if node is None:
            common = _common(items[0][0], items[-1][0], at)
            if common:
                return Extension(items[0][0][at : at + common], self._put_sorted(None, items, at + common))
            node = Branch([None] * 16, b"")
        elif type(node) is not Branch:
            for path, value in items:
                link = self._put(link, path[at:], value)
            assert link is not None
            return link
        for nibble, group in _grouped(items, at):
            if nibble is None:
                if node.value != group[0][1]:
                    node = _owned_branch(node)
                    node.value = group[0][1]
                continue
            child = node.children[nibble]
            after = self._put_sorted(child, group, at + 1)
            if after is not child:
                node = _owned_branch(node)
                node.children[nibble] = after
        return node if node.dirty or link is None else link

    def _delete(self, link: Link, path: bytes) -> Link:
        """Return what stands in place of `link`; `link` itself if nothing below changed or it was changed in place."""
        if link is None:
            return None
        node = self._resolve(link)
        if type(node) is Leaf:
            return None if node.path == path else link
        if type(node) is Extension:
            if not path.startswith(node.path):
                return link
            child = self._delete(node.child, path[len(node.path) :])
            return link if child is node.child and not _is_dirty(child) else self._prefixed(node.path, child)
        assert type(node) is Branch
        if not path:
            if not node.value:
                return link
            node = _owned_branch(node)
            node.value = b""
            return self._collapsed(node)
        before = node.children[path[0]]
        after = self._delete(before, path[1:])
        if after is before:
            return link
        node = _owned_branch(node)
        node.children[path[0]] = after
        return node if after is not None else self._collapsed(node)

    def _prefixed(self, path: bytes, child: Link) -> Link:
        """Return `child` behind a stretch of key, merged with its own stretch if it has one."""
        if child is None:
            return None
        node = self._resolve(child)
        if type(node) is Leaf:
            return Leaf(path + node.path, node.value)
        if type(node) is Extension:
            return Extension(path + node.path, node.child)
        return Extension(path, child)

    def _collapsed(self, node: Branch) -> Link:
        """Return a branch, or what it becomes when less than two entries are left in it."""
        left = [index for index, child in enumerate(node.children) if child is not None]
        if node.value:
            return node if left else Leaf(b"", node.value)
        if len(left) > 1:
            return node
        return self._prefixed(bytes((left[0],)), node.children[left[0]]) if left else None


def _is_dirty(link: Link) -> bool:
    return link is not None and not isinstance(link, bytes) and link.dirty


def _owned_branch(node: Branch) -> Branch:
    return node if node.dirty else Branch(node.children.copy(), node.value)


def _common(first: bytes, last: bytes, at: int) -> int:
    """Return how many nibbles from `at` on two paths share."""
    end = min(len(first), len(last))
    place = at
    while place < end and first[place] == last[place]:
        place += 1
    return place - at


def _grouped(items: list[tuple[bytes, bytes]], at: int) -> Iterator[tuple[int | None, list[tuple[bytes, bytes]]]]:
    """Yield runs of sorted items by their nibble at `at`; None for the item whose path ends there."""
    start = 0
    if len(items[0][0]) == at:
        yield None, items[:1]
        start = 1
    while start < len(items):
        nibble = items[start][0][at]
        end = start + 1
        while end < len(items) and items[end][0][at] == nibble:
            end += 1
        yield nibble, items[start:end]
        start = end


def _split(
    old_path: bytes, kind: type[Leaf] | type[Extension], old: Link, path: bytes, value: bytes
) -> Branch | Extension:
    """Return the fork between a leaf (`old` its value) or extension (`old` its child) and a new key."""
    common = _common(old_path, path, 0)
    branch = Branch([None] * 16, b"")
    rest = old_path[common:]
    if kind is Leaf:
        assert isinstance(old, bytes)
        if rest:
            branch.children[rest[0]] = Leaf(rest[1:], old)
        else:
            branch.value = old
    else:
        branch.children[rest[0]] = Extension(rest[1:], old) if len(rest) > 1 else old
    rest = path[common:]
    if rest:
        branch.children[rest[0]] = Leaf(rest[1:], value)
    else:
        branch.value = value
    return Extension(path[:common], branch) if common else branch


class _NoNodes:
    def trie_node(self, node_hash: Hash32) -> bytes | None:
        """Return None: everything is in memory."""
        return None


def ordered_root(values: Sequence[bytes]) -> Hash32:
    """Return the root of the trie from RLP(index) to value: transactions and receipts of a block; none is empty."""
    assert all(values), "an empty value would not show in the root"
    trie = Trie(_NoNodes(), EMPTY_ROOT, NodeCache(0))
    trie.put_many((rlp.encode(rlp.encode_int(index)), value) for index, value in enumerate(values))
    return trie.commit()[0]
