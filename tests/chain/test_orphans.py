"""Blocks without a parent: bounded, the weakest seal goes first."""

from dataclasses import replace

from chain.block import header_id
from chain.orphans import ORPHAN_AGE_MAX, ORPHAN_BYTES_MAX, ORPHANS_MAX, Orphans
from chain.primitives.units import Hash32, Millis
from chain.transaction import Transaction
from chain.verified import VerifiedBlock
from tests.helpers.chained import child_header, root_header
from tests.helpers.networks import payment, small_genesis

NOW = Millis(1_000_000)
ROOT = root_header()


def _orphan(pow_hash: int, *, parent: Hash32 = ROOT.id) -> VerifiedBlock:
    sealed = child_header(ROOT, pow_hash=pow_hash).sealed
    return VerifiedBlock(replace(sealed, header=replace(sealed.header, parent_id=parent)), (), NOW)


def _id(block: VerifiedBlock) -> Hash32:
    return header_id(block.sealed.header)


def test_children_are_taken_once_best_seal_first() -> None:
    orphans = Orphans()
    weak, strong = _orphan(9), _orphan(3)
    assert all(orphans.put(block, NOW) for block in (weak, strong, weak))
    assert len(orphans) == 2
    assert orphans.take_children(ROOT.id) == (strong, weak)
    assert orphans.take_children(ROOT.id) == ()


def test_the_missing_ancestor_lies_below_all_orphans() -> None:
    orphans = Orphans()
    low = _orphan(1, parent=Hash32(b"u" * 32))
    high = _orphan(2, parent=_id(low))
    orphans.put(high, NOW)
    assert orphans.missing_ancestor(_id(high)) == _id(low)
    orphans.put(low, NOW)
    assert orphans.missing_ancestor(_id(high)) == b"u" * 32


def test_a_flood_of_weak_seals_pushes_out_nothing_stronger() -> None:
    orphans = Orphans()
    honest = _orphan(5)
    orphans.put(honest, NOW)
    for pow_hash in range(1000, 1000 + 3 * ORPHANS_MAX):
        orphans.put(_orphan(pow_hash), NOW)
    assert len(orphans) == ORPHANS_MAX
    assert _id(honest) in orphans
    assert not orphans.put(_orphan(10**6), NOW)


def test_bytes_are_bounded() -> None:
    tx = payment(small_genesis(), 0, 0)
    big = replace(tx, tx=_with_raw(tx.tx, bytes(ORPHAN_BYTES_MAX // 4)))
    orphans = Orphans()
    for pow_hash in range(6):
        orphans.put(replace(_orphan(pow_hash), transactions=(big,)), NOW)
    assert len(orphans) == 4
    assert len(orphans.take_children(ROOT.id)) == 4
    assert orphans.put(replace(_orphan(7), transactions=(big,)), NOW)


def _with_raw(tx: Transaction, raw: bytes) -> Transaction:
    return replace(tx, raw=raw)


def test_orphans_expire() -> None:
    orphans = Orphans()
    old = _orphan(1)
    orphans.put(old, NOW)
    orphans.put(_orphan(2), Millis(NOW + ORPHAN_AGE_MAX))
    assert _id(old) in orphans
    orphans.put(_orphan(3), Millis(NOW + ORPHAN_AGE_MAX + 1))
    assert _id(old) not in orphans
    assert len(orphans) == 2
