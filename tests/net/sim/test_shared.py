"""What simulated nodes share: equal bytes once, equal questions asked of the real checks once, the same answers."""

from dataclasses import replace

import pytest

from chain.primitives.errors import Malformed
from chain.primitives.units import Millis
from net.core.map.checks import real_checks
from net.core.wire.record import encode_record
from net.sim.scenarios.growth import build
from net.sim.shared import Memory, Pool, SharedArchive, SharedChecks
from net.sim.world import World


def _raw() -> bytes:
    world = World(3)
    (node,) = build(world, 1, join_every=1)
    world.run_for(5_000)
    raw = node.archive.get(node.peer)
    assert raw is not None
    return raw


def test_shared_checks_answer_as_the_real_ones() -> None:
    raw, real, shared = _raw(), real_checks(1), SharedChecks(1).checks()
    record = shared.decode(raw)
    assert record == real.decode(raw)
    assert shared.decode(bytes(bytearray(raw))) is record, "equal bytes are decoded once"
    assert shared.signature(record)
    for _ in range(2):
        with pytest.raises(Malformed):
            shared.decode(raw[:-1])
    other = shared.decode(raw[:-1] + bytes([raw[-1] ^ 1]))
    assert not shared.signature(other)
    assert not shared.signature(other), "remembered for this record, not for its origin"
    assert shared.signature(record)


def test_shared_deltas_are_the_real_ones() -> None:
    old, real, shared = _raw(), real_checks(1), SharedChecks(1).checks()
    record = real.decode(old)
    new = encode_record(replace(record, seq=Millis(record.seq + 1), uplink=9))
    raw = shared.between(old, new)
    assert raw is not None
    assert raw == real.between(old, new)
    assert shared.between(old, new) is raw
    delta = shared.delta(raw)
    assert shared.delta(bytes(bytearray(raw))) is delta, "equal bytes are decoded once"
    other = encode_record(replace(record, uplink=3))
    for _ in range(2):
        assert shared.follow(old, delta) == new
        assert shared.follow(other, delta) is None, "remembered for this base, not for its origin"
    assert shared.between(old, encode_record(replace(record, tags=(1, 2, 3)))) is None


def test_memories_forget_all_at_once_when_they_are_full() -> None:
    memory: Memory[int, str] = Memory(3)
    for number in range(4):
        assert memory.keep(number, "answer") == "answer"
    assert list(memory) == [3]


def test_a_forgotten_answer_is_found_again() -> None:
    raw, shared = _raw(), SharedChecks(1)
    checks = shared.checks()
    first = checks.decode(raw)
    shared.forget()
    again = checks.decode(raw)
    assert again is not first
    assert again == first
    assert checks.signature(again)


def test_archives_of_a_world_hold_one_copy() -> None:
    pool, raw = Pool(), _raw()
    archives = [SharedArchive(pool) for _ in range(2)]
    peer = real_checks(1).decode(raw).peer
    for archive in archives:
        archive.put(peer, bytes(bytearray(raw)))
    one, other = (archive.get(peer) for archive in archives)
    assert one is other
    assert one == raw
    assert pool.raws() == [raw]
    archives[0].delete(peer)
    assert archives[0].get(peer) is None
    assert list(archives[1].items()) == [(peer, raw)]
