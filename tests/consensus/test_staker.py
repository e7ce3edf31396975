import math

import pytest

from chain.fees import block_reward
from chain.primitives.units import COIN, Address, Wei
from chain.rules import InvalidBlock, Rule
from consensus.staker import FORESIGHT_STEP, Staker, Validator, expected_rewards
from consensus.ticket import verify_ticket
from tests.consensus.blocks import REWARD, make_draw, make_header, seal, verify_all
from tests.consensus.networks import DEVNET, MAINNET, epoch_stake, key, place

PARENT = place(DEVNET, 40)
STAKE = epoch_stake({1: 300, 2: 300, 3: 300})


def staker(*numbers: int) -> Staker:
    return Staker(DEVNET, [Validator(key(number), REWARD) for number in numbers], bytes)


def test_the_best_own_ticket_leaves_at_once_and_is_valid() -> None:
    (own,) = staker(1, 2, 3).parent(PARENT, STAKE)
    draws = [make_draw(DEVNET, key(number), PARENT, STAKE) for number in (1, 2, 3)]
    assert own.parent_id == PARENT.id
    assert own.draw == min(draws, key=lambda draw: (draw.handicap, draw.beta))
    assert verify_ticket(DEVNET, own.draw.ticket, parent_id=PARENT.id, height=41, stake=STAKE) == own.draw


def test_without_stake_or_before_tickets_open_nothing_leaves() -> None:
    assert staker(9).parent(PARENT, STAKE) == []
    assert staker().parent(PARENT, STAKE) == []
    assert staker(1).parent(place(DEVNET, 5), STAKE) == []


def test_foresight_is_computed_ahead_for_the_epoch_and_no_further() -> None:
    machine = staker(1, 2)
    assert not machine.has_work()
    machine.parent(place(DEVNET, 40), STAKE)
    assert machine.has_work()
    for _ in range(8 // FORESIGHT_STEP + 1):
        machine.tick()
    assert not machine.has_work()
    for status in machine.statistics():
        assert all(41 < foreseen.height <= 44 for foreseen in status.foreseen)
    # what was foreseen is what is drawn
    foreseen = {entry.height: entry.handicap for status in machine.statistics() for entry in status.foreseen}
    for height in (42, 43, 44):
        tickets = machine.parent(place(DEVNET, height - 1), STAKE)
        assert (height in foreseen) == bool(tickets)


def test_tickets_won_are_counted_and_taken_back() -> None:
    machine = staker(1)
    machine.parent(PARENT, STAKE)
    draw = make_draw(DEVNET, key(1), PARENT, STAKE)
    block = verify_all(DEVNET, seal(DEVNET, make_header(DEVNET, PARENT, STAKE, draw), draw.ticket), PARENT, STAKE)
    machine.applied(block)
    (status,) = machine.statistics()
    minted = block_reward(41, Wei(0), DEVNET, ticket_handicap=draw.handicap).ticket_reward
    assert (status.tickets_won, status.rewards, status.tickets_sent) == (1, minted, 1)
    machine.undone(block)
    assert machine.statistics()[0].tickets_won == 0


def test_expected_rewards_agree_with_the_law_of_handicaps() -> None:
    # one validator with all the stake: mean of (cap - h) is cap - TAU (1 - e^-5), so half a subsidy per block
    stake = epoch_stake({1: 1000}, issued=1000)
    wins, reward = expected_rewards(MAINNET, 70_000, stake=Wei(1000 * COIN), total=stake.total, issued=stake.issued)
    assert math.isclose(wins, 720 * (1 - math.exp(-5)), rel_tol=1e-3)
    assert math.isclose(reward, 720 * 25 * COIN, rel_tol=0.01)
    quarter, part = expected_rewards(MAINNET, 70_000, stake=Wei(250 * COIN), total=stake.total, issued=stake.issued)
    assert math.isclose(quarter, wins / 4, rel_tol=1e-9)
    assert math.isclose(part, reward / 4, rel_tol=1e-9)
    assert expected_rewards(MAINNET, 100, stake=Wei(1), total=stake.total, issued=stake.issued) == (0.0, 0)


def test_a_stake_is_rewarded_to_its_owner_unless_another_account_is_named() -> None:
    owned = Staker(DEVNET, [Validator(key(1), None)], bytes)
    assert owned.parent(PARENT, STAKE) == [], "nobody to pay is known"
    owned.owner(key(1).public_key.format(), Address(b"\x07" * 20))
    (own,) = owned.parent(PARENT, STAKE)
    assert own.draw.ticket.reward_address == b"\x07" * 20
    named = staker(1)
    named.owner(key(1).public_key.format(), Address(b"\x07" * 20))
    (own,) = named.parent(PARENT, STAKE)
    assert own.draw.ticket.reward_address == REWARD


def test_a_dust_validator_has_no_ticket_and_expects_nothing() -> None:
    stake = epoch_stake({1: 1, 2: 10**9})
    dust = staker(1)
    assert [dust.parent(place(DEVNET, height), stake) for height in range(20, 60)] == [[]] * 40
    for height in range(21, 61):
        with pytest.raises(InvalidBlock) as error:
            make_draw(DEVNET, key(1), place(DEVNET, height - 1), stake)
        assert error.value.rule is Rule.TICKET_WORTHLESS
    wins, reward = expected_rewards(DEVNET, 60, stake=Wei(COIN), total=stake.total, issued=stake.issued)
    assert wins < 1e-4
    assert reward < COIN // 100
