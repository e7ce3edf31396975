"""Neighbours that lie about what waits in their pools: each costs little, and faults are those of the topic."""

from collections.abc import Callable

import pytest

from chain.exchange import reconcile
from chain.exchange.effects import RecoverSenders
from chain.exchange.messages import (
    NAMES_MAX,
    Picked,
    Response,
    Status,
    Waiting,
    decode_response,
    name_of,
)
from chain.exchange.reconcile import ASK_AFTER, ROUNDS, VISIT_BYTES
from chain.exchange.topics import SYNC_MAX_BYTES
from chain.exchange.work import recover_senders
from chain.primitives.canonical import pack
from chain.primitives.errors import Penalty
from chain.primitives.hashing import keccak256
from chain.primitives.units import Millis
from chain.rules import InvalidTransaction
from chain.transaction import SignedTransaction, parse_transaction
from tests.helpers.exchange_chain import GENESIS, PARAMS
from tests.helpers.exchange_world import Node, World
from tests.helpers.pool_world import TO, hashes, joined, lists_by, payments, picks_by, rewriting
from tests.helpers.transactions import key_of, sign


def visited_by_a_liar(
    seed: int, change: Callable[[Response], Response], count: int = 40
) -> tuple[World, Node, Node, Node]:
    """Let a joiner meet a neighbour that rewrites its answers, later an honest one; return all of them."""
    world, (liar, honest), joiner = joined(seed, payments(count), hosts=2)
    liar.rewrite = rewriting(change)
    world.link(joiner, liar)
    world.run(ASK_AFTER + 2_000)
    world.link(joiner, honest)
    world.run(15_000)
    assert hashes(joiner) >= {signed.tx.hash for signed in payments(count)}, "an honest neighbour mends it"
    assert honest.peer not in {fault.peer for fault in world.faults}
    return world, liar, honest, joiner


def test_what_liars_give_leaves_room_for_what_an_honest_neighbour_has() -> None:
    """Two have given as many as a list holds, as long as they may be, one in each batch of use; then comes an honest
    one."""
    world, (honest,), joiner = joined(30, payments(40))
    reconciler = joiner.exchange._reconciler
    for _ in range(ROUNDS - 1):
        reconciler._count_left -= NAMES_MAX
        reconciler._bytes_left -= VISIT_BYTES - 1 + SYNC_MAX_BYTES
    world.link(joiner, honest)
    world.run(15_000)
    assert hashes(joiner) == hashes(honest)
    assert reconciler._count_left >= NAMES_MAX - 40
    assert reconciler._bytes_left >= VISIT_BYTES


def test_other_transactions_than_asked_cost_the_link() -> None:
    other = payments(40, first_key=500)

    def cheat(answer: Response) -> Response:
        return Picked(tuple(signed.tx.raw for signed in other)) if isinstance(answer, Picked) else answer

    world, liar, _, joiner = visited_by_a_liar(20, cheat)
    assert world.bans() == {liar.peer}
    assert not hashes(joiner) & {signed.tx.hash for signed in other}


def test_a_neighbour_that_gives_one_at_a_time_keeps_nobody_from_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "VISIT_LIFETIME", Millis(2_000))

    def drip(answer: Response) -> Response:
        return Picked(answer.raws[:1]) if isinstance(answer, Picked) and answer.raws else answer

    world, liar, honest, joiner = visited_by_a_liar(19, drip, count=60)
    assert 2 < picks_by(world, joiner).count(liar.peer) < 30
    assert picks_by(world, joiner).count(honest.peer) == 1
    assert not world.faults


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda answer: Picked((*answer.raws, b"more")), id="more"),
        pytest.param(lambda answer: Picked(answer.raws[::-1]), id="order"),
        pytest.param(lambda _: Status(GENESIS.id, 0, 0), id="question"),
    ],
)
def test_answers_that_do_not_fit_cost_the_link(change: Callable[[Picked], Response]) -> None:
    world, liar, _, _ = visited_by_a_liar(21, lambda answer: change(answer) if isinstance(answer, Picked) else answer)
    assert world.bans() == {liar.peer}


def test_a_list_that_names_one_twice_costs_the_link() -> None:
    world, (liar,), joiner = joined(22, payments(4))
    liar.rewrite = lambda payload: (
        pack([4, bytes(16), b"abcdef" * 2]) if isinstance(decode_response(payload), Waiting) else payload
    )
    world.link(joiner, liar)
    world.run(15_000)
    assert world.bans() == {liar.peer}


def test_a_neighbour_that_names_and_gives_nothing_costs_a_list_and_a_question() -> None:
    def withhold(answer: Response) -> Response:
        return Picked((None,) * len(answer.raws or ())) if isinstance(answer, Picked) else answer

    world, liar, _, joiner = visited_by_a_liar(23, withhold, count=300)
    # a block may have taken them: nobody is blamed
    assert not world.faults
    assert picks_by(world, joiner).count(liar.peer) == 1
    assert lists_by(world, joiner).count(liar.peer) == 1


def test_names_of_nothing_cost_a_list_and_a_question() -> None:
    def invent(answer: Response) -> Response:
        names = tuple(place.to_bytes(6, "big") for place in range(16_384))
        return Waiting(answer.salt, names) if isinstance(answer, Waiting) else answer

    world, liar, _, joiner = visited_by_a_liar(24, invent)
    assert picks_by(world, joiner).count(liar.peer) == 1
    assert not world.faults


def giving(bad: list[bytes]) -> Callable[[Response], Response]:
    """Return what a liar does that names and gives these."""
    named: list[bytes] = []

    def change(answer: Response) -> Response:
        match answer:
            case Waiting(salt, _):
                named[:] = [name_of(salt, keccak256(raw)) for raw in bad]
                return Waiting(salt, tuple(named))
            case Picked():
                return Picked(tuple(bad))
            case _:
                return answer

    return change


def unsigned(count: int) -> list[bytes]:
    """Return transactions whose signatures belong to nobody: their r is no x of the curve."""
    raw = sign(key_of(7), to=TO).tx.raw
    some = (raw[:-65] + (1 << 255 | number).to_bytes(32, "big") + raw[-33:] for number in range(4 * count + 20))
    return [item for item in some if isinstance(_recovered(item), InvalidTransaction)][:count]


def _recovered(raw: bytes) -> SignedTransaction | InvalidTransaction:
    return recover_senders([parse_transaction(raw, PARAMS.chain_id)])[0]


def test_what_can_never_be_valid_is_a_fault_as_on_the_topic() -> None:
    bad = [sign(key_of(9), to=TO, gas=20_000, nonce=nonce).tx.raw for nonce in range(40)]
    world, liar, _, joiner = visited_by_a_liar(25, giving(bad))
    assert {(fault.peer, fault.penalty) for fault in world.faults} == {(liar.peer, Penalty.STRIKE)}
    assert len(world.faults) == 1, "the first one ends the reading"
    assert picks_by(world, joiner).count(liar.peer) == 1


def test_garbage_is_a_fault() -> None:
    world, liar, _, _ = visited_by_a_liar(26, giving([b"", b"garbage"]))
    assert {(fault.peer, fault.penalty) for fault in world.faults} == {(liar.peer, Penalty.STRIKE)}


def test_what_this_pool_does_not_want_is_nobodys_fault() -> None:
    bad = [sign(key_of(9), to=TO, tip=1, nonce=nonce).tx.raw for nonce in range(40)]
    world, liar, _, joiner = visited_by_a_liar(27, giving(bad))
    assert not world.faults
    assert picks_by(world, joiner).count(liar.peer) == 1
    assert not hashes(joiner) & set(map(keccak256, bad))


def test_refused_ones_are_not_recovered_again() -> None:
    """Both entries share what was refused: signatures are not checked twice."""
    world, (host,), joiner = joined(28, [])
    world.link(joiner, host)
    world.run(1_000)
    transactions = joiner.exchange._transactions
    raw = sign(key_of(1), to=TO, nonce=5_000).tx.raw
    _, effects = transactions.take([raw], host.peer, world.now)
    assert [type(effect) for effect in effects] == [RecoverSenders]
    joiner.do(effects)
    world.run(1_000)
    batch, effects = transactions.take([raw], host.peer, world.now)
    assert (batch.waiting, effects) == (0, [])


def test_invalid_signatures_are_faults() -> None:
    world, liar, _, joiner = visited_by_a_liar(29, giving(unsigned(8)))
    assert [(fault.peer, fault.penalty) for fault in world.faults] == [(liar.peer, Penalty.STRIKE)] * 8
    assert picks_by(world, joiner).count(liar.peer) == 1
