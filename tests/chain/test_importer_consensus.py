"""The importer under the real consensus rules: seals, tickets, stakes, rewards."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from chain.block import Header, SealedHeader, Ticket, encode_header, header_id
from chain.importer import Importer
from chain.primitives.units import COIN, Address, Gas, Hash32, Millis, Wei
from chain.rules import InvalidBlock, Rule
from chain.staking_registry import SYSTEM_ADDRESS
from chain.transaction import SignedTransaction
from chain.verified import ImportStatus, VerifiedBlock
from chain.views import ChainView
from consensus.ripening import seal_passes_floor
from consensus.rules import ConsensusRules
from consensus.seal import seal_hash
from consensus.template import build_candidate
from consensus.ticket import Draw, build_ticket, claimed_draw, ticket_alpha
from consensus.vrf import prove
from storage.chain_store import ChainStore
from storage.memory import MemoryStore
from tests.helpers.networks import FUNDED, RECEIVER, address_of, payment, small_genesis
from tests.helpers.stakes import deposit, validator_key

# A hash in sixteen meets the target, so that seals cost no time.
GENESIS = small_genesis(genesis_log_target=252 << 16)
MINER = Address(b"\x99" * 20)
STAKER = Address(b"\x88" * 20)
LENGTH = 34


class Node:
    """A full chain node without network: importer, view, and a miner that hashes here."""

    def __init__(self) -> None:
        self.rules = ConsensusRules(GENESIS.params)
        self.store = ChainStore(MemoryStore())
        self.importer = Importer(GENESIS.params, GENESIS, self.store, self.rules)
        self.view = ChainView(self.store, GENESIS.params, self.importer)

    def draw(self) -> Draw | None:
        """Return the best ticket of the registered validators on the head."""
        parent, params = self.importer.head(), GENESIS.params
        stake = self.importer.epoch_stake(parent)
        draws = []
        for number in range(FUNDED):
            key = validator_key(number)
            proof = prove(key, ticket_alpha(stake.seed, parent.height + 1))
            ticket = build_ticket(
                params, key=key, proof=proof, parent=parent, reward_address=STAKER, auxiliary=bytes(32)
            )
            try:
                draws.append(claimed_draw(params, ticket, height=parent.height + 1, stake=stake))
            except InvalidBlock:
                continue
        return min(draws, key=lambda draw: (draw.handicap, draw.beta), default=None)

    def mine(self, *pending: SignedTransaction, draw: Draw | None = None) -> VerifiedBlock:
        """Return a sealed block on the head."""
        parent = self.importer.head()
        candidate = build_candidate(
            GENESIS.params,
            parent=parent,
            state=self.view.state(parent),
            stake=self.importer.epoch_stake(parent),
            draw=draw,
            pending=pending,
            miner=MINER,
        )
        assert [signed.tx for signed in pending] == list(candidate.transactions)
        return seal(candidate.header, candidate.ticket, pending)


def seal(header: Header, ticket: Ticket | None, transactions: Sequence[SignedTransaction]) -> VerifiedBlock:
    """Return the block with the first nonce whose seal passes the floor."""
    for number in range(10**6):
        turned = replace(header, nonce=number.to_bytes(8, "big"))
        claim = seal_hash(GENESIS.params, encode_header(turned))
        if seal_passes_floor(GENESIS.params, claim, GENESIS.params.genesis_log_target):
            return VerifiedBlock(SealedHeader(turned, claim, ticket), tuple(transactions), Millis(0))
    raise AssertionError("no seal")


@pytest.fixture(scope="module")
def story() -> tuple[Node, list[VerifiedBlock]]:
    """A chain with two validators, payments, and tickets from the first height that takes them."""
    node = Node()
    blocks = []
    for height in range(1, LENGTH + 1):
        pending = (
            [deposit(GENESIS, number, 0, value=(200 + 100 * number) * COIN) for number in (0, 1)]
            if height == 1
            else [payment(GENESIS, 2, height - 2, value=height)]
        )
        block = node.mine(*pending, draw=node.draw())
        node.rules.check_seal(block.sealed)
        result = node.importer.add(block, Millis(10**15))
        assert result.status is ImportStatus.ADOPTED
        blocks.append(block)
    return node, blocks


def test_intervals_lie_in_the_window_and_tickets_are_used(story: tuple[Node, list[VerifiedBlock]]) -> None:
    node, blocks = story
    for block in blocks:
        chained = node.view.header(header_id(block.sealed.header))
        assert chained is not None
        assert 6000 <= chained.time - chained.header.parent_time <= 24_000
    ticketed = [block.sealed.header.height for block in blocks if block.sealed.ticket is not None]
    assert ticketed
    assert min(ticketed) > GENESIS.params.stake_start
    assert node.view.head().height == LENGTH


def test_every_coin_is_accounted_for(story: tuple[Node, list[VerifiedBlock]]) -> None:
    node, _ = story
    head = node.view.head()
    supply, state = node.view.supply(head), node.view.state(head)
    accounts = [MINER, STAKER, RECEIVER, SYSTEM_ADDRESS, *(address_of(number) for number in range(FUNDED))]
    assert supply.subsidies == LENGTH * 50 * COIN
    assert supply.ticket_rewards > 0
    assert sum(state.balance(address) for address in accounts) == supply.issued - supply.burnt
    assert state.balance(SYSTEM_ADDRESS) == 500 * COIN
    # The registry counts the same coins, for rule 3's floor.
    later = node.importer.epoch_stake(head)
    source = node.view.header_at((GENESIS.params.epoch(LENGTH + 1) - 2) * GENESIS.params.epoch_length - 1)
    assert source is not None
    assert later.issued == node.view.supply(source).issued


def test_another_node_that_hears_in_any_order_ends_at_the_same_state(story: tuple[Node, list[VerifiedBlock]]) -> None:
    node, blocks = story
    other = Node()
    for block in Random(7).sample(blocks, len(blocks)):
        other.importer.add(block, Millis(10**15))
    assert other.importer.head() == node.importer.head()
    assert other.importer.marks() == node.importer.marks()
    assert other.view.supply(other.view.head()) == node.view.supply(node.view.head())


FIELDS: dict[str, tuple[object, Rule]] = {
    "version": (2, Rule.VERSION),
    "height": (LENGTH + 2, Rule.HEIGHT),
    "parent_time": (Millis(5), Rule.PARENT_TIME),
    "parent_err": (5, Rule.PARENT_ERR),
    "mined_at": (Millis(5), Rule.MINED_AT),
    "miner": (STAKER, Rule.STATE_ROOT),
    "state_root": (Hash32(b"x" * 32), Rule.STATE_ROOT),
    "transactions_root": (Hash32(b"x" * 32), Rule.TRANSACTIONS_ROOT),
    "receipts_root": (Hash32(b"x" * 32), Rule.RECEIPTS_ROOT),
    "gas_used": (Gas(1), Rule.GAS_USED),
    "base_fee": (Wei(1), Rule.BASE_FEE),
    "extra": (b"x" * 33, Rule.EXTRA_SIZE),
    "ticket_commitment": (Hash32(b"x" * 32), Rule.TICKET_COMMITMENT),
    "handicap": (Millis(7), Rule.BAD_HANDICAP),
    "mix": (Hash32(b"x" * 32), Rule.BAD_MIX),
    "stakes": (Hash32(b"x" * 32), Rule.BAD_STAKES),
}


@pytest.mark.parametrize("field", FIELDS)
def test_each_wrong_field_is_refused_by_its_rule_and_leaves_the_head(
    story: tuple[Node, list[VerifiedBlock]], field: str
) -> None:
    node, _ = story
    head = node.importer.head()
    honest = node.mine(payment(GENESIS, 2, LENGTH - 1))
    value, rule = FIELDS[field]
    changed = replace(honest.sealed.header, **{field: value})  # type: ignore[arg-type]  # the table pairs types
    with pytest.raises(InvalidBlock) as refused:
        node.importer.add(seal(changed, None, honest.transactions), Millis(10**15))
    assert refused.value.rule is rule
    assert node.importer.head() is head


def test_a_ticket_of_another_parent_is_refused(story: tuple[Node, list[VerifiedBlock]]) -> None:
    node, _ = story
    head = node.importer.head()
    draw = node.draw()
    assert draw is not None, "LENGTH is such that a validator has a worthy draw for the next block"
    number = [validator_key(number).public_key.format() for number in (0, 1)].index(draw.ticket.validator_key)
    grandparent = node.view.header(head.header.parent_id)
    assert grandparent is not None
    ticket = build_ticket(
        GENESIS.params,
        key=validator_key(number),
        proof=draw.ticket.vrf_proof,
        parent=grandparent,
        reward_address=STAKER,
        auxiliary=bytes(32),
    )
    with pytest.raises(InvalidBlock) as refused:
        node.importer.add(node.mine(draw=replace(draw, ticket=ticket)), Millis(10**15))
    assert refused.value.rule is Rule.TICKET_SIGNATURE
    assert node.importer.head() is head
