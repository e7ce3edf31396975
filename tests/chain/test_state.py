"""Accounts, storage, undoing, and proofs that an independent library accepts."""

import pytest
import rlp as pyrlp
from hypothesis import given
from hypothesis import strategies as st
from trie.hexary import HexaryTrie

from chain.primitives.errors import Malformed, StorageError
from chain.primitives.hashing import EMPTY_KECCAK, keccak256
from chain.primitives.units import Address, Hash32, Wei
from chain.state import NO_ACCOUNT, Account, State, decode_account, encode_account, slot_key
from chain.trie_nodes import EMPTY_ROOT, NodeCache
from tests.helpers.chain_builder import MemoryNodes

_PEOPLE = [Address(bytes((number,)) * 20) for number in range(8)]
_PERSON = st.sampled_from(_PEOPLE)
_SLOT = st.integers(0, 5).map(slot_key)
_CHANGE = st.one_of(
    st.tuples(st.just("balance"), _PERSON, st.integers(0, 2**256 - 1), _SLOT),
    st.tuples(st.just("nonce"), _PERSON, st.integers(0, 2**64 - 2), _SLOT),
    st.tuples(st.just("storage"), _PERSON, st.integers(0, 2**256 - 1) | st.just(0), _SLOT),
)
_BLOCKS = st.lists(st.tuples(st.lists(_CHANGE, max_size=6), st.booleans()), max_size=6)


def _apply(state: State, change: tuple[str, Address, int, Hash32]) -> None:
    name, who, number, slot = change
    if name == "balance":
        state.set_balance(who, Wei(number))
    elif name == "nonce":
        state.set_nonce(who, number)
    else:
        state.set_nonce(who, state.nonce(who) or 1)  # storage belongs to an account that is not empty
        state.set_storage(who, slot, number)


def _facts(state: State) -> dict[Address, tuple[int, int, tuple[int, ...]]]:
    return {
        who: (state.nonce(who), state.balance(who), tuple(state.storage(who, slot_key(n)) for n in range(6)))
        for who in _PEOPLE
    }


@pytest.mark.slow
@given(_BLOCKS, st.sampled_from([0, 1000]))
def test_changes_are_kept_or_undone_and_survive_commits(
    blocks: list[tuple[list[tuple[str, Address, int, Hash32]], bool]], cache_nodes: int
) -> None:
    nodes = MemoryNodes()
    cache = NodeCache(cache_nodes)
    root = EMPTY_ROOT
    expected = _facts(State(nodes, root))
    for changes, keep in blocks:
        state = State(nodes, root, cache)
        state.begin()
        for change in changes:
            _apply(state, change)
        if keep:
            state.keep()
            expected = _facts(state)
        else:
            state.revert()
        assert _facts(state) == expected
        before = root
        root, new = state.commit()
        nodes.update(new)
        if not keep:
            assert root == before
        assert _facts(State(nodes, root)) == expected
    rebuilt = State(MemoryNodes(), EMPTY_ROOT)
    for who, (nonce, balance, slots) in expected.items():
        rebuilt.set_nonce(who, nonce)
        rebuilt.set_balance(who, Wei(balance))
        for number, value in enumerate(slots):
            rebuilt.set_storage(who, slot_key(number), value)
    if all(nonce or balance or not any(slots) for nonce, balance, slots in expected.values()):
        assert rebuilt.commit()[0] == root


def test_empty_accounts_are_left_out() -> None:
    nodes = MemoryNodes()
    state = State(nodes, EMPTY_ROOT)
    state.set_balance(_PEOPLE[0], Wei(5))
    root, new = state.commit()
    nodes.update(new)
    assert root != EMPTY_ROOT
    state = State(nodes, root)
    state.set_balance(_PEOPLE[0], Wei(0))
    state.add_balance(_PEOPLE[1], Wei(0))
    assert state.commit()[0] == EMPTY_ROOT


def test_accounts_are_encoded_as_ethereum_does() -> None:
    account = Account(7, Wei(10**20), EMPTY_ROOT, EMPTY_KECCAK)
    raw = encode_account(account)
    assert raw == pyrlp.encode([7, 10**20, EMPTY_ROOT, EMPTY_KECCAK])
    assert decode_account(raw) == account
    assert EMPTY_ROOT.hex() == "56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421"
    assert EMPTY_KECCAK.hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@given(st.binary(max_size=120))
def test_any_bytes_are_an_account_or_malformed(raw: bytes) -> None:
    try:
        account = decode_account(raw)
    except Malformed:
        return
    assert encode_account(account) == raw


@pytest.mark.slow
@given(st.lists(_CHANGE, max_size=12))
def test_proofs_are_accepted_by_py_trie(changes: list[tuple[str, Address, int, Hash32]]) -> None:
    nodes = MemoryNodes()
    state = State(nodes, EMPTY_ROOT)
    for change in changes:
        _apply(state, change)
    root, new = state.commit()
    nodes.update(new)
    state = State(nodes, root)
    slots = [slot_key(number) for number in range(6)]
    for who in _PEOPLE:
        proof = state.prove(who, slots)
        assert proof.account == state.account(who)
        stored = _proven(root, keccak256(who), proof.proof)
        assert stored == (b"" if proof.account == NO_ACCOUNT else encode_account(proof.account))
        for entry in proof.storage:
            value = _proven(proof.account.storage_root, keccak256(entry.slot), entry.proof)
            assert value == (pyrlp.encode(entry.value) if entry.value else b"")


def _proven(root: Hash32, key: bytes, proof: tuple[bytes, ...]) -> bytes:
    if root == EMPTY_ROOT:
        assert proof == ()
        return b""
    assert keccak256(proof[0]) == root
    nodes = [pyrlp.decode(raw) for raw in proof]
    return bytes(HexaryTrie.get_from_proof(root, key, nodes))  # type: ignore[no-untyped-call]  # py-trie is not typed


def test_a_damaged_node_is_a_storage_error() -> None:
    nodes = MemoryNodes()
    state = State(nodes, EMPTY_ROOT)
    state.set_balance(_PEOPLE[0], Wei(5))
    root, _ = state.commit()
    nodes[root] = b"\xc1\x80"
    with pytest.raises(StorageError, match="damaged"):
        State(nodes, root).balance(_PEOPLE[0])
