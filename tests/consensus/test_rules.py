from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chain.block import ChainedHeader, Header, SealedHeader, Ticket, header_id
from chain.primitives.units import ZERO_HASH, Hash32, LogTarget, Millis
from chain.rules import InvalidBlock, Rule
from consensus.ripening import MINED_AT_LIMIT, work_at
from consensus.rules import ConsensusRules
from consensus.schedule import next_error
from consensus.ticket import claimed_beta, next_mix
from tests.consensus.blocks import make_draw, make_header, make_ticket, seal, verify_all
from tests.consensus.networks import DEVNET, epoch_stake, key, place

EARLY = place(DEVNET, 3)
LATER = place(DEVNET, 40, mix=Hash32(b"\x44" * 32))
STAKE = epoch_stake({1: 400, 2: 600})
DRAW = make_draw(DEVNET, key(2), LATER, STAKE)


def without_ticket(parent: ChainedHeader = EARLY) -> SealedHeader:
    return seal(DEVNET, make_header(DEVNET, parent, STAKE))


def with_ticket() -> SealedHeader:
    return seal(DEVNET, make_header(DEVNET, LATER, STAKE, DRAW), DRAW.ticket)


def rule_of(sealed: SealedHeader, parent: ChainedHeader) -> Rule:
    with pytest.raises(InvalidBlock) as caught:
        verify_all(DEVNET, sealed, parent, STAKE)
    return caught.value.rule


@pytest.mark.parametrize(
    ("sealed", "parent"), [(without_ticket(), EARLY), (without_ticket(LATER), LATER), (with_ticket(), LATER)]
)
def test_valid_headers_find_their_place(sealed: SealedHeader, parent: ChainedHeader) -> None:
    chained = verify_all(DEVNET, sealed, parent, STAKE)
    assert chained.id == header_id(sealed.header)
    assert chained.time >= parent.time + DEVNET.min_interval
    assert chained.err == next_error(DEVNET, parent.err, Millis(chained.time - parent.time))
    assert chained.log_target == DEVNET.genesis_log_target
    assert chained.total_work == parent.total_work + chained.work
    assert ConsensusRules(DEVNET).schedule_work(chained) == work_at(chained.log_target)


def _other(value: object, salt: int) -> object:
    """A value of the same kind that is not `value`."""
    if isinstance(value, int):
        return value + 1 + salt
    assert isinstance(value, bytes)
    if not value:
        return b"x"
    index = salt % len(value)
    return value[:index] + bytes((value[index] ^ (1 + salt % 255),)) + value[index + 1 :]


@settings(max_examples=200)
@given(st.sampled_from([field.name for field in fields(Header)]), st.integers(0, 1000), st.booleans())
def test_any_changed_header_field_is_rejected(name: str, salt: int, ticketed: bool) -> None:
    sealed, parent = (with_ticket(), LATER) if ticketed else (without_ticket(), EARLY)
    header = replace(sealed.header, **{name: _other(getattr(sealed.header, name), salt)})  # type: ignore[arg-type]
    if header.parent_id != parent.id:
        # such a header belongs to another parent, if to any; with the id put right it is still wrong
        assert header_id(header) != header_id(sealed.header)
        with pytest.raises(InvalidBlock):
            ConsensusRules(DEVNET).check_seal(replace(sealed, header=header))
        return
    rule_of(replace(sealed, header=header), parent)


@settings(max_examples=100)
@given(st.sampled_from([field.name for field in fields(Ticket)]), st.integers(0, 1000))
def test_any_changed_ticket_field_is_rejected_even_if_sealed_anew(name: str, salt: int) -> None:
    ticket = replace(DRAW.ticket, **{name: _other(getattr(DRAW.ticket, name), salt)})  # type: ignore[arg-type]
    forged = replace(DRAW, ticket=ticket)
    rule = rule_of(seal(DEVNET, make_header(DEVNET, LATER, STAKE, forged), ticket), LATER)
    assert rule in {Rule.TICKET_UNKNOWN_KEY, Rule.TICKET_SIGNATURE, Rule.TICKET_VRF, Rule.BAD_MIX}


# One case per rule: what a sealer can break on purpose, sealed anew so that only this rule refuses it.

_FORM: list[tuple[dict[str, object], Rule]] = [
    ({"version": 2}, Rule.VERSION),
    ({"extra": bytes(33)}, Rule.EXTRA_SIZE),
    ({"height": 5}, Rule.HEIGHT),
    ({"parent_time": Millis(EARLY.time + 1)}, Rule.PARENT_TIME),
    ({"parent_err": 1}, Rule.PARENT_ERR),
    ({"mined_at": Millis(EARLY.time + DEVNET.gap - 1)}, Rule.MINED_AT),
    ({"mined_at": Millis(MINED_AT_LIMIT)}, Rule.MINED_AT),
    ({"handicap": Millis(1)}, Rule.BAD_HANDICAP),
    ({"mix": ZERO_HASH}, Rule.BAD_MIX),
    ({"stakes": ZERO_HASH}, Rule.BAD_STAKES),
    ({"ticket_commitment": Hash32(b"\x01" * 32)}, Rule.TICKET_COMMITMENT),
]


@pytest.mark.parametrize(("change", "rule"), _FORM)
def test_each_rule_by_its_name(change: dict[str, object], rule: Rule) -> None:
    header = replace(make_header(DEVNET, EARLY, STAKE), **change)  # type: ignore[arg-type]
    assert rule_of(seal(DEVNET, header), EARLY) is rule


def test_mined_at_from_the_gap_on_sets_the_time() -> None:
    moment = Millis(EARLY.time + DEVNET.gap)
    header = replace(make_header(DEVNET, EARLY, STAKE), mined_at=moment)
    assert verify_all(DEVNET, seal(DEVNET, header), EARLY, STAKE).time == moment


def test_a_false_claim_is_found_by_one_hash() -> None:
    sealed = without_ticket()
    assert rule_of(replace(sealed, pow=sealed.pow - 1), EARLY) is Rule.FALSE_CLAIM


def test_a_seal_that_misses_by_more_than_the_floor_is_too_weak() -> None:
    hard = replace(DEVNET, genesis_log_target=LogTarget(200 << 16))
    parent = place(hard, 3)
    with pytest.raises(InvalidBlock) as caught:
        ConsensusRules(hard).chain(seal(hard, make_header(hard, parent, STAKE)), parent)
    assert caught.value.rule is Rule.SEAL_TOO_WEAK
    allowed = SealedHeader(make_header(hard, parent, STAKE), (1 << 218) - 1, None)
    assert ConsensusRules(hard).chain(allowed, parent).time <= parent.time + hard.gap
    weaker = SealedHeader(make_header(hard, parent, STAKE), int((1 << 218) * 1.0001), None)
    with pytest.raises(InvalidBlock):
        ConsensusRules(hard).chain(weaker, parent)


def test_a_ticket_before_its_time_is_refused() -> None:
    draw = make_draw(DEVNET, key(2), LATER, STAKE)
    header = make_header(DEVNET, EARLY, STAKE, replace(draw, handicap=Millis(0)))
    assert rule_of(seal(DEVNET, header, draw.ticket), EARLY) is Rule.TICKET_TOO_EARLY


def test_a_ticket_without_stake_is_refused() -> None:
    ticket = make_ticket(DEVNET, key(9), LATER, STAKE)
    header = make_header(DEVNET, LATER, STAKE, replace(DRAW, ticket=ticket))
    header = replace(header, mix=with_mix(ticket))
    assert rule_of(seal(DEVNET, header, ticket), LATER) is Rule.TICKET_UNKNOWN_KEY


def with_mix(ticket: Ticket) -> Hash32:
    return next_mix(DEVNET, LATER.height + 1, LATER.header.mix, LATER.id, claimed_beta(ticket))


def test_a_dust_ticket_is_worthless() -> None:
    dust = epoch_stake({1: 1, 2: 1_000_000})
    ticket = make_ticket(DEVNET, key(1), LATER, dust)
    header = replace(make_header(DEVNET, LATER, dust, replace(DRAW, ticket=ticket)), mix=with_mix(ticket))
    sealed = seal(DEVNET, header, ticket)
    with pytest.raises(InvalidBlock) as caught:
        ConsensusRules(DEVNET).check_stake(sealed, dust)
    assert caught.value.rule is Rule.TICKET_WORTHLESS


def test_a_ticket_of_another_parent_is_refused() -> None:
    sibling = replace(place(DEVNET, 40, mix=LATER.header.mix), id=Hash32(b"\x99" * 32))
    assert (
        rule_of(
            seal(
                DEVNET,
                make_header(DEVNET, LATER, STAKE, make_draw(DEVNET, key(2), sibling, STAKE)),
                make_ticket(DEVNET, key(2), sibling, STAKE),
            ),
            LATER,
        )
        is Rule.TICKET_SIGNATURE
    )


def test_a_better_handicap_than_the_ticket_gives_is_refused() -> None:
    better = replace(DRAW, handicap=Millis(DRAW.handicap - 1))
    assert rule_of(seal(DEVNET, make_header(DEVNET, LATER, STAKE, better), DRAW.ticket), LATER) is Rule.BAD_HANDICAP


def test_with_a_ticket_the_handicap_is_under_the_cap() -> None:
    equal = replace(DRAW, handicap=DEVNET.open_handicap)
    assert rule_of(seal(DEVNET, make_header(DEVNET, LATER, STAKE, equal), DRAW.ticket), LATER) is Rule.TICKET_WORTHLESS


def test_the_weight_is_independent_of_mined_at_and_ticket() -> None:
    rules = ConsensusRules(DEVNET)
    plain = seal(DEVNET, make_header(DEVNET, LATER, STAKE))
    ticketed = SealedHeader(make_header(DEVNET, LATER, STAKE, DRAW), plain.pow, DRAW.ticket)
    stamped = replace(plain, header=replace(plain.header, mined_at=Millis(LATER.time + DEVNET.gap)))
    assert len({rules.chain(sealed, LATER).work for sealed in (plain, ticketed, stamped)}) == 1
