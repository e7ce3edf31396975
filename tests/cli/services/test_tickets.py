"""Tickets on the event loop: whom they are rewarded to, and that a node sends its own."""

from dataclasses import dataclass, field

import pytest

from chain.block import ChainedHeader
from chain.primitives.units import COIN, Address, Hash32
from chain.staking_abi import encode_request_withdrawal
from chain.staking_registry import SYSTEM_ADDRESS, Registry
from cli.services.staking import StakingFacts
from cli.services.tickets import TICKET_TOPIC, TicketService
from cli.workers import Workers
from consensus.staker import Validator
from consensus.ticket import Draw
from consensus.ticket_relay import decode_message
from net.core.effects import Verdict
from tests.helpers.networks import address_of, payment, small_genesis
from tests.helpers.rpc_world import World
from tests.helpers.stakes import deposit, validator_key

ELSEWHERE = Address(b"\x5e" * 20)


@dataclass
class Node:
    """A ticket service on a chain, with what it publishes and tells the miner."""

    world: World
    reward_address: Address | None = None
    published: list[bytes] = field(default_factory=list)
    told: list[tuple[Hash32, Draw]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.service = TicketService(
            self.world.params,
            importer=self.world.importer,
            view=self.world.view,
            workers=Workers(),
            clock=self.world.clock,
            validators=[Validator(validator_key(0), self.reward_address)],
            network=self,
            best=lambda parent, draw: self.told.append((parent, draw)),
        )

    def publish(self, topic: int, payload: bytes) -> None:
        assert topic == TICKET_TOPIC
        self.published.append(payload)

    def verdict(self, key: bytes, verdict: Verdict) -> None:
        raise AssertionError("nobody else speaks here")

    def sent(self) -> list[tuple[Hash32, Address]]:
        """Return parent and reward address of the tickets that went out."""
        messages = [decode_message(payload) for payload in self.published]
        return [(message.parent_id, message.ticket.reward_address) for message in messages]


def staked() -> World:
    """Return a chain at block 40 on which account 0 holds most of the stake."""
    world = World(genesis=small_genesis())
    world.take(world.builder.extend(None, [deposit(world.builder.genesis, 0, 0, value=900 * COIN)]))
    while world.view.head().height < 24:
        world.mine()
    return world


def grow(world: World, node: Node, blocks: int) -> list[ChainedHeader]:
    """Add blocks, telling the service of each new head, and return the parents it could draw for."""
    parents = []
    for _ in range(blocks):
        parents.append(world.view.head())
        node.service.start()
        world.mine()
    return parents


@pytest.mark.parametrize(("named", "paid"), [(None, address_of(0)), (ELSEWHERE, ELSEWHERE)])
async def test_a_ticket_is_rewarded_to_the_owner_unless_another_is_named(named: Address | None, paid: Address) -> None:
    world = staked()
    node = Node(world, named)
    parents = {parent.id for parent in grow(world, node, 10)}
    node.service.stop()
    assert len(node.sent()) >= 3
    assert {parent for parent, _ in node.sent()} <= parents
    assert {address for _, address in node.sent()} == {paid}
    assert [(parent, draw.ticket.reward_address) for parent, draw in node.told] == node.sent()
    (own,) = StakingFacts(world.params, node.service).own()
    assert (own.reward_address, own.sent, own.stake) == (paid, len(node.sent()), 900 * COIN)


async def test_a_stake_that_was_withdrawn_is_rewarded_as_long_as_it_counts() -> None:
    world = staked()
    data = encode_request_withdrawal(900 * COIN)
    leave = payment(world.builder.genesis, 0, 1, to=SYSTEM_ADDRESS, value=0, data=data, gas=300_000)
    world.take(world.builder.extend(world.view.head(), [leave]))
    registry = Registry(world.view.state(world.view.head()))
    assert registry.key_owner(bytes(validator_key(0).public_key.format())) is None
    node = Node(world)  # a start after the withdrawal: the head no longer tells whose the key was
    grow(world, node, 25)
    node.service.stop()
    assert {address for _, address in node.sent()} == {address_of(0)}
    last_epoch = max(world.params.epoch(_height(world, parent) + 1) for parent, _ in node.sent())
    assert last_epoch <= world.params.epoch(25) + 2, "the registry of epoch 5 counts from epoch 8"


def _height(world: World, block_id: Hash32) -> int:
    found = world.view.header(block_id)
    assert found is not None
    return found.height


async def test_a_node_that_catches_up_sends_no_tickets_and_then_one_for_its_head() -> None:
    world = staked()
    node = Node(world)
    node.service.activate(active=False)
    grow(world, node, 10)
    assert not node.published
    head = world.view.head()
    while not node.published:
        node.service.activate(active=True)
        head = world.view.head()
        node.service.activate(active=False)
        world.mine()
        node.service.start()
    node.service.stop()
    assert [parent for parent, _ in node.sent()] == [head.id]
