"""Tries against the vectors of ethereum/tests and against py-trie."""

import json
from pathlib import Path

import pytest
import rlp
from hypothesis import given
from hypothesis import strategies as st
from trie.hexary import HexaryTrie

from chain.primitives.hashing import keccak256
from chain.primitives.units import Hash32
from chain.trie import MissingNode, Trie, ordered_root
from chain.trie_nodes import EMPTY_ROOT, NodeCache

VECTORS = Path(__file__).parent.parent / "vectors"


class Nodes(dict[Hash32, bytes]):
    """Trie nodes in memory."""

    def trie_node(self, node_hash: Hash32) -> bytes | None:
        return self.get(node_hash)


def _bytes(text: str | None) -> bytes:
    if text is None:
        return b""
    return bytes.fromhex(text[2:]) if text.startswith("0x") else text.encode()


def _entries(case: dict[str, object]) -> list[tuple[bytes, bytes]]:
    entries = case["in"]
    pairs = list(entries.items()) if isinstance(entries, dict) else entries
    assert isinstance(pairs, list)
    return [(_bytes(key), _bytes(value)) for key, value in pairs]


def _cases(*files: str) -> list[object]:
    return [
        pytest.param(name, case, id=f"{name}-{label}")
        for name in files
        for label, case in json.loads((VECTORS / f"{name}.json").read_text()).items()
    ]


@pytest.mark.parametrize(("file", "case"), _cases("trietest", "trieanyorder", "trieanyorder_secureTrie"))
@pytest.mark.parametrize("commit_each", [False, True])
def test_roots_are_those_of_ethereum_tests(file: str, case: dict[str, object], commit_each: bool) -> None:
    nodes = Nodes()
    trie = Trie(nodes, EMPTY_ROOT)
    entries = _entries(case)
    for order in (entries, entries[::-1]) if "anyorder" in file else (entries,):
        for key, value in order:
            trie.put(keccak256(key) if "secure" in file else key, value)
            if commit_each:
                nodes.update(trie.commit()[1])
    assert trie.commit()[0] == _bytes(str(case["root"]))


_keys = st.one_of(
    st.binary(min_size=1, max_size=3),
    st.lists(st.sampled_from([0, 1, 16, 17, 255]), min_size=1, max_size=4).map(bytes),
    st.integers(0, 40).map(lambda n: keccak256(bytes((n,)))),
)
_values = st.one_of(st.just(b""), st.binary(min_size=1, max_size=3), st.binary(min_size=30, max_size=40))


@pytest.mark.slow
@given(
    st.lists(st.lists(st.tuples(_keys, _values), max_size=8), max_size=6),
    st.sampled_from([0, 4, 1000]),
    st.booleans(),
)
def test_same_roots_nodes_and_values_as_py_trie(
    batches: list[list[tuple[bytes, bytes]]], cache_nodes: int, at_once: bool
) -> None:
    nodes = Nodes()
    cache = NodeCache(cache_nodes)
    root = EMPTY_ROOT
    other = HexaryTrie({}, prune=False)
    model: dict[bytes, bytes] = {}
    for batch in batches:
        trie = Trie(nodes, root, cache)
        if at_once:
            trie.put_many(dict(batch).items())
        for key, value in batch:
            if not at_once:
                trie.put(key, value)
            if value:
                other[key] = value
            elif model.get(key):
                other.delete(key)  # type: ignore[no-untyped-call]  # py-trie is not typed
            model[key] = value
        root, new = trie.commit()
        assert all(keccak256(raw) == digest for digest, raw in new.items())
        nodes.update(new)
        assert root == other.root_hash
        fresh = Trie(nodes, root)
        assert all(fresh.get(key) == value for key, value in model.items())


@given(st.lists(st.tuples(_keys, st.binary(min_size=1, max_size=40)), max_size=20), st.integers(0, 80))
def test_proofs_satisfy_py_trie(entries: list[tuple[bytes, bytes]], other: int) -> None:
    absent = keccak256(bytes((other,)))  # py-trie fails on short keys that end inside an extension
    nodes = Nodes()
    trie = Trie(nodes, EMPTY_ROOT)
    for key, value in entries:
        trie.put(key, value)
    root, new = trie.commit()
    nodes.update(new)
    for key in [*(key for key, _ in entries), absent]:
        proof = [rlp.decode(raw) for raw in trie.prove(key)]
        if root != EMPTY_ROOT:
            proven = HexaryTrie.get_from_proof(root, key, proof)  # type: ignore[no-untyped-call]  # py-trie is not typed
            assert proven == dict(entries).get(key, b"")
        else:
            assert proof == []


def test_unchanged_values_make_no_nodes() -> None:
    nodes = Nodes()
    trie = Trie(nodes, EMPTY_ROOT)
    for number in range(100):
        trie.put(keccak256(bytes((number,))), b"value of some length %d" % number)
    root, new = trie.commit()
    nodes.update(new)
    again = Trie(nodes, root)
    again.put(keccak256(b"\x05"), b"value of some length 5")
    again.delete(keccak256(b"nobody"))
    assert again.commit() == (root, {})


def test_each_node_is_emitted_once_and_only_along_the_change() -> None:
    nodes = Nodes()
    trie = Trie(nodes, EMPTY_ROOT)
    for number in range(256):
        trie.put(keccak256(bytes((number,))), bytes(40))
    _, new = trie.commit()
    nodes.update(new)
    trie.put(keccak256(b"\x05"), bytes(41))
    assert 2 <= len(trie.commit()[1]) <= 4


def test_a_missing_node_is_named() -> None:
    root = keccak256(b"nowhere")
    with pytest.raises(MissingNode, match=root.hex()):
        Trie(Nodes(), root).get(b"key")


@given(st.lists(st.binary(min_size=1, max_size=60), max_size=140))
def test_ordered_root_is_that_of_py_trie(values: list[bytes]) -> None:
    other = HexaryTrie({})
    for index, value in enumerate(values):
        other[rlp.encode(index)] = value
    assert ordered_root(values) == other.root_hash
