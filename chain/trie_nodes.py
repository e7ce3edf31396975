"""Nodes of a Merkle Patricia trie: their shapes, their encoding, and their cache (yellow paper, appendix D).

A node is `clean` when its encoding is known to be what its parent names; clean nodes are shared between tries and never
changed, dirty ones belong to one `trie.Trie`.
"""

from typing import TypeAlias

from chain.primitives import rlp
from chain.primitives.cache import Cache
from chain.primitives.errors import Malformed
from chain.primitives.hashing import keccak256
from chain.primitives.units import Hash32

_HEX_TO_NIBBLE = bytes.maketrans(b"0123456789abcdef", bytes(range(16)))
_NIBBLE_TO_HEX = bytes.maketrans(bytes(range(16)), b"0123456789abcdef")

EMPTY_ROOT = keccak256(b"\x80")
"""Root of a trie without entries: keccak256 of the RLP of the empty string."""

HASHED_REFERENCE_BYTES = 33
"""Length of an encoded hash; a node whose encoding is shorter than a hash stands inside its parent instead."""


class Leaf:
    """The end of a key and its value."""

    __slots__ = ("dirty", "path", "value")

    def __init__(self, path: bytes, value: bytes, *, dirty: bool = True) -> None:
        self.path = path
        self.value = value
        self.dirty = dirty


class Extension:
    """A stretch of key that all entries below share; the child is a branch."""

    __slots__ = ("child", "dirty", "path")

    def __init__(self, path: bytes, child: "Link", *, dirty: bool = True) -> None:
        self.path = path
        self.child = child
        self.dirty = dirty


class Branch:
    """A fork: sixteen children by the next nibble, and the value of the key that ends here."""

    __slots__ = ("children", "dirty", "value")

    def __init__(self, children: list["Link"], value: bytes, *, dirty: bool = True) -> None:
        self.children = children
        self.value = value
        self.dirty = dirty


Node: TypeAlias = Leaf | Extension | Branch

Link: TypeAlias = bytes | Node | None
"""How a parent holds a child: by hash, by the node itself (dirty, or so short that it is embedded), or not at all."""


def to_nibbles(key: bytes) -> bytes:
    """Return one byte per half-byte of a key."""
    return key.hex().encode().translate(_HEX_TO_NIBBLE)


def pack_path(path: bytes, *, is_leaf: bool) -> bytes:
    """Return the hex-prefix encoding of a stretch of key."""
    flag = 2 if is_leaf else 0
    head = bytes((flag + 1,)) if len(path) & 1 else bytes((flag, 0))
    return bytes.fromhex((head + path).translate(_NIBBLE_TO_HEX).decode())


def unpack_path(packed: bytes) -> tuple[bytes, bool]:
    """Return a stretch of key and whether it ends in a leaf. Raises `Malformed`."""
    nibbles = to_nibbles(packed)
    if not nibbles or nibbles[0] > 3 or (not nibbles[0] & 1 and nibbles[1]):
        raise Malformed("not a hex-prefix encoding")
    return nibbles[1 if nibbles[0] & 1 else 2 :], nibbles[0] >= 2


def decode_node(raw: bytes) -> Node:
    """Return the clean node that `raw` encodes. Raises `Malformed`."""
    return _node_of(rlp.decode(raw))


def _node_of(item: rlp.Decoded) -> Node:
    fields = rlp.decode_list(item)
    if len(fields) == 17:
        return Branch([_link_of(field) for field in fields[:16]], rlp.decode_bytes(fields[16]), dirty=False)
    if len(fields) != 2:
        raise Malformed("a trie node has 2 or 17 items")
    path, is_leaf = unpack_path(rlp.decode_bytes(fields[0]))
    if is_leaf:
        return Leaf(path, rlp.decode_bytes(fields[1]), dirty=False)
    child = _link_of(fields[1])
    if child is None or not path:
        raise Malformed("an extension without path or child")
    return Extension(path, child, dirty=False)


def _link_of(field: rlp.Decoded) -> Link:
    if isinstance(field, list):
        return _node_of(field)
    if field and len(field) != 32:
        raise Malformed("a reference to a trie node has 32 bytes")
    return field or None


NodeCache = Cache[bytes, Node]
"""Clean nodes by hash. Since they never change, threads may share one."""


def encode_node(node: Node, new: dict[Hash32, bytes], cache: NodeCache) -> bytes:
    """Return the encoding of a node; every dirty node below is hashed once, put into `new`, and clean afterwards."""
    if type(node) is Branch:
        children = node.children
        parts = []
        for index, child in enumerate(children):
            if child is None:
                parts.append(b"\x80")
            elif type(child) is bytes:
                parts.append(b"\xa0" + child)
            else:
                reference = _reference(child, new, cache)
                if len(reference) == HASHED_REFERENCE_BYTES:
                    children[index] = reference[1:]
                parts.append(reference)
        parts.append(rlp.encode(node.value) if node.value else b"\x80")
        payload = b"".join(parts)
    elif type(node) is Leaf:
        payload = rlp.encode(pack_path(node.path, is_leaf=True)) + rlp.encode(node.value)
    else:
        assert type(node) is Extension
        reference = _reference(node.child, new, cache)
        if len(reference) == HASHED_REFERENCE_BYTES:
            node.child = reference[1:]
        payload = rlp.encode(pack_path(node.path, is_leaf=False)) + reference
    node.dirty = False
    return rlp.list_head(len(payload)) + payload


def _reference(child: Link, new: dict[Hash32, bytes], cache: NodeCache) -> bytes:
    if type(child) is bytes:
        return b"\xa0" + child
    assert child is not None
    assert not isinstance(child, bytes)
    raw = encode_node(child, new, cache)
    if len(raw) < 32:
        return raw
    digest = keccak256(raw)
    new[digest] = raw
    cache.put(digest, child)
    return b"\xa0" + digest
