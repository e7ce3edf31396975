from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.block import ChainedHeader
from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Hash32, Millis
from consensus.ticket import Draw
from consensus.ticket_relay import (
    EARLY_HOLD,
    EARLY_MAX,
    BestTicket,
    Judgement,
    JudgeTicket,
    OpenParent,
    PublishTicket,
    TicketMessage,
    TicketRelay,
    decode_message,
    encode_message,
)
from tests.consensus.blocks import make_draw, make_ticket
from tests.consensus.networks import DEVNET, epoch_stake, key, place

PARENT = place(DEVNET, 40)
SIBLING = replace(PARENT, id=Hash32(b"\x33" * 32))
STAKE = epoch_stake({1: 300, 2: 300, 3: 300})
NOW = Millis(1_000)
NEAR, FAR = PeerId(b"\x01" * 32), PeerId(b"\x02" * 32)
DRAWS = sorted(
    (make_draw(DEVNET, key(number), PARENT, STAKE) for number in (1, 2, 3)), key=lambda draw: (draw.handicap, draw.beta)
)
BEST, MIDDLE, WORST = DRAWS


def message(draw: Draw, parent: ChainedHeader = PARENT) -> bytes:
    return encode_message(TicketMessage(parent.id, draw.ticket))


def relay(*parents: ChainedHeader) -> TicketRelay:
    machine = TicketRelay(DEVNET)
    machine.parents_changed([OpenParent(parent, STAKE) for parent in parents], NOW)
    return machine


def judged(effects: object) -> list[Judgement]:
    assert isinstance(effects, list)
    return [effect.judgement for effect in effects if isinstance(effect, JudgeTicket)]


def test_only_better_tickets_travel() -> None:
    machine = relay(PARENT)
    assert judged(machine.validate(b"a", message(MIDDLE), NEAR, NOW)) == [Judgement.ACCEPT]
    assert judged(machine.validate(b"b", message(WORST), NEAR, NOW)) == [Judgement.IGNORE]
    effects = machine.validate(b"c", message(BEST), NEAR, NOW)
    assert effects == [JudgeTicket(b"c", Judgement.ACCEPT, ""), BestTicket(PARENT.id, BEST)]
    assert machine.best(PARENT.id) == BEST
    assert (machine.statistics().accepted, machine.statistics().ignored) == (2, 1)


def test_a_key_speaks_once_per_parent() -> None:
    machine = relay(PARENT)
    machine.validate(b"a", message(MIDDLE), NEAR, NOW)
    again = replace(MIDDLE.ticket, signature=bytes(64))
    assert judged(machine.validate(b"b", encode_message(TicketMessage(PARENT.id, again)), NEAR, NOW)) == [
        Judgement.IGNORE
    ]


@pytest.mark.parametrize("field", ["vrf_proof", "signature", "reward_address"])
def test_a_lie_bans_and_does_not_silence_the_validator(field: str) -> None:
    machine = relay(PARENT)
    other = make_ticket(DEVNET, key(9), PARENT, STAKE)
    forged = replace(BEST.ticket, **{field: getattr(other, field)[:-1] + b"\x01"})
    payload = encode_message(TicketMessage(PARENT.id, forged))
    answers = judged(machine.validate(b"a", payload, NEAR, NOW))
    assert answers in ([Judgement.REJECT], [Judgement.IGNORE])
    assert machine.best(PARENT.id) is None
    assert judged(machine.validate(b"b", message(BEST), NEAR, NOW)) == [Judgement.ACCEPT]


def test_a_key_outside_the_snapshot_is_rejected() -> None:
    ticket = make_ticket(DEVNET, key(9), PARENT, STAKE)
    effects = relay(PARENT).validate(b"a", encode_message(TicketMessage(PARENT.id, ticket)), NEAR, NOW)
    assert judged(effects) == [Judgement.REJECT]


def test_an_early_ticket_waits_for_its_parent() -> None:
    machine = TicketRelay(DEVNET)
    assert machine.validate(b"a", message(BEST), NEAR, NOW) == []
    assert machine.deadline() == NOW + EARLY_HOLD
    effects = machine.parents_changed([OpenParent(PARENT, STAKE)], NOW)
    assert judged(effects) == [Judgement.ACCEPT]
    assert machine.deadline() is None


def test_early_tickets_are_bounded_and_given_up() -> None:
    machine = TicketRelay(DEVNET)
    for number in range(EARLY_MAX):
        assert machine.validate(b"%d" % number, message(BEST), NEAR, NOW) == []
    assert [
        effect.key for effect in machine.validate(b"more", message(BEST), NEAR, NOW) if isinstance(effect, JudgeTicket)
    ] == [b"0"]
    assert judged(machine.tick(Millis(NOW + EARLY_HOLD))) == [Judgement.IGNORE] * EARLY_MAX
    assert machine.statistics().held == 0


def test_a_neighbour_cannot_push_out_the_early_tickets_of_another() -> None:
    machine = TicketRelay(DEVNET)
    for number in range(EARLY_MAX // 2):
        machine.validate(b"honest %d" % number, message(BEST), NEAR, NOW)
    given_up = []
    for number in range(10 * EARLY_MAX):
        effects = machine.validate(b"%d" % number, message(WORST, SIBLING), FAR, NOW)
        given_up += [effect.key for effect in effects if isinstance(effect, JudgeTicket)]
    assert len(given_up) == 10 * EARLY_MAX - EARLY_MAX // 2
    assert not [key for key in given_up if key.startswith(b"honest")]
    machine.validate(b"honest late", message(BEST), NEAR, NOW)
    assert machine.statistics().held == EARLY_MAX


def test_own_tickets_follow_the_same_rule() -> None:
    machine = relay(PARENT, SIBLING)
    assert machine.own(PARENT.id, MIDDLE) == [PublishTicket(message(MIDDLE)), BestTicket(PARENT.id, MIDDLE)]
    assert machine.own(PARENT.id, WORST) == []
    assert machine.own(Hash32(bytes(32)), BEST) == []


def test_closed_parents_are_forgotten_and_open_ones_kept() -> None:
    machine = relay(PARENT)
    machine.own(PARENT.id, BEST)
    machine.parents_changed([OpenParent(SIBLING, STAKE), OpenParent(PARENT, STAKE)], NOW)
    assert machine.best(PARENT.id) == BEST
    machine.parents_changed([OpenParent(SIBLING, STAKE)], NOW)
    assert machine.best(PARENT.id) is None


@given(st.binary(max_size=400))
def test_any_bytes_are_a_message_or_malformed(raw: bytes) -> None:
    try:
        assert encode_message(decode_message(raw)) == raw
    except Malformed:
        assert judged(relay(PARENT).validate(b"k", raw, NEAR, NOW)) == [Judgement.REJECT]


def test_a_message_comes_back() -> None:
    assert decode_message(message(BEST)) == TicketMessage(PARENT.id, BEST.ticket)
