"""The audit of the coins on a chain with everything in it, and what it says when one wei is wrong."""

import asyncio
from dataclasses import replace
from random import Random

import pytest

from chain.block import ChainedHeader
from chain.primitives.units import COIN, Address, Gas, Wei
from chain.rules import InvalidBlock
from chain.transaction import SignedTransaction
from cli.audit.findings import Findings
from cli.audit.from_database import audit_database
from cli.audit.over_rpc import audit_over_rpc
from cli.audit.supply import Audit, AuditedBlock, AuditFailed, ChainMoved, SupplyAudit
from cli.rpc_client import RpcClient
from consensus.ticket import Draw
from tests.helpers.networks import address_of, payment, small_genesis
from tests.helpers.rpc_world import World
from tests.helpers.stakes import deposit, validator_key

BLOCKS = 300
STAKERS = (0, 1)
REWARDED = Address(b"\x5e" * 20)
MINERS = (Address(b"\x11" * 20), Address(b"\x22" * 20))


class Story:
    """A chain that grows with payments, tickets and reorganisations; deterministic by its seed."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.world = World(genesis=small_genesis())
        self.undone = 0

    def grow(self, parent: ChainedHeader, extra: bytes) -> ChainedHeader:
        """Add a block with what the story has at this height, and return it."""
        builder, random = self.world.builder, self.random
        transactions: list[SignedTransaction] = []
        if parent.height == 0:
            values = (900 * COIN, 700 * COIN)
            transactions = [deposit(builder.genesis, n, 0, value=values[n]) for n in STAKERS]
        elif random.random() < 0.6:
            sender = random.randrange(4)
            nonce = builder.state(parent).nonce(address_of(sender))
            for number in range(random.randrange(1, 4)):
                to = Address(random.randbytes(20)) if random.random() < 0.5 else address_of(3 - sender)
                value = random.randrange(COIN)
                transactions.append(payment(builder.genesis, sender, nonce + number, to=to, value=value))
        built = builder.extend(
            parent, transactions, miner=random.choice(MINERS), draw=self.draw(parent), extra=extra[:32]
        )
        before = self.world.view.head()
        self.world.take(built)
        after = self.world.view.head()
        self.undone += before.id not in (after.id, after.header.parent_id)
        return built.chained

    def draw(self, parent: ChainedHeader) -> Draw | None:
        """Return a ticket for two thirds of the blocks that may have one."""
        if self.random.random() < 1 / 3:
            return None
        try:
            return self.world.builder.draw(parent, validator_key(self.random.choice(STAKERS)), REWARDED)
        except InvalidBlock:
            return None  # too early, or not under the cap

    def audit(self) -> Findings:
        """Audit the chain as it is."""
        return audit_database(self.world.store, self.world.builder.genesis, lambda _height, _end: None)


@pytest.fixture(scope="module")
def story() -> Story:
    """Return a chain of 300 blocks with a fork every twenty."""
    story = Story(7)
    head = story.world.builder.root
    while head.height < BLOCKS:
        head = story.grow(head, b"trunk")
        if head.height % 20 == 0:
            depth = story.random.randrange(1, 5)
            branch = story.world.builder.ancestor(head, head.height - depth)
            for _ in range(depth + 2):
                branch = story.grow(branch, b"branch of %d" % head.height)
            assert story.world.view.head().id == branch.id, "the longer branch has won"
            head = branch
            story.audit()
    return story


@pytest.mark.slow
def test_300_blocks_with_payments_burns_tickets_and_reorganisations_add_up(story: Story) -> None:
    findings = story.audit()
    audit = findings.audit
    assert audit.height >= BLOCKS
    assert story.undone >= 10
    assert 100 < audit.tickets < audit.height
    assert audit.burnt > 0
    assert audit.ticket_rewards > 0
    assert audit.premine == 4000 * COIN
    assert audit.subsidies == audit.height * 50 * COIN
    record = story.world.view.supply(story.world.view.head())
    assert (record.subsidies, record.ticket_rewards, record.burnt) == (
        audit.subsidies,
        audit.ticket_rewards,
        audit.burnt,
    )
    assert findings.balances == audit.premine + audit.subsidies + audit.ticket_rewards - audit.burnt


@pytest.mark.slow
async def test_the_audit_over_rpc_finds_the_same(story: Story) -> None:
    async with story.world.served() as client:
        found = await asyncio.to_thread(
            audit_over_rpc, RpcClient(client.url), story.world.builder.genesis, lambda _height, _end: None
        )
    assert found.audit == story.audit().audit
    assert found.balances == story.audit().balances


def _first_blocks(story: Story) -> list[AuditedBlock]:
    view = story.world.view
    blocks = []
    for height in (1, 2):
        block = view.header_at(height)
        assert block is not None
        gas = view.receipts(block)[-1].cumulative_gas_used if view.receipts(block) else Gas(0)
        blocks.append(AuditedBlock(block.id, block.header, block.sealed.ticket, gas, ()))
    return blocks


@pytest.mark.slow
def test_a_block_that_contradicts_itself_is_named(story: Story) -> None:
    genesis = story.world.builder.genesis
    first, second = _first_blocks(story)
    SupplyAudit(genesis).add(first)
    with pytest.raises(AuditFailed, match="hash of block 1"):
        SupplyAudit(genesis).add(replace(first, header=replace(first.header, gas_used=Gas(1))))
    with pytest.raises(AuditFailed, match="gas of the receipts of block 1"):
        SupplyAudit(genesis).add(replace(first, receipts_gas=Gas(first.receipts_gas + 1)))
    ticket = next(block.sealed.ticket for block in _canonical(story) if block.sealed.ticket is not None)
    with pytest.raises(AuditFailed, match="ticket of block 1"):
        SupplyAudit(genesis).add(replace(first, ticket=ticket))
    with pytest.raises(ChainMoved):
        SupplyAudit(genesis).add(second)


def _canonical(story: Story) -> list[ChainedHeader]:
    found = (story.world.view.header_at(height) for height in range(1, BLOCKS))
    return [block for block in found if block is not None]


def test_one_wei_too_many_is_found_wherever_it_is() -> None:
    audit = Audit(9, small_genesis().chained.id, 3, 21_000, Wei(100), Wei(50), Wei(20), Wei(7))
    exact = Findings(audit, Wei(163), 5, Wei(170), Wei(163))
    exact.check()
    for wrong in (
        replace(exact, balances=Wei(164)),
        replace(exact, registry_issued=Wei(169)),
        replace(exact, recorded_total=Wei(162)),
    ):
        with pytest.raises(AuditFailed, match="expected"):
            wrong.check()
    assert exact.as_json()["totalWei"] == "163"
    assert any("exact to the wei" in line for line in exact.lines())
