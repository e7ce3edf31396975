"""The sum of all coins from blocks alone: rule 9 of DESIGN section 5 and the base fees, with every header proved.

A header is proved by its hash: the id that the next block names as its parent is recomputed from the fields, and with
it the handicap, the ticket's commitment, the gas and the base fee that the sums are made of.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from chain.block import Header, Ticket, header_id, ticket_commitment
from chain.fees import block_reward, next_base_fee
from chain.genesis import Genesis
from chain.primitives.errors import NodeError
from chain.primitives.units import Address, Gas, Hash32, Wei
from chain.staking_registry import SYSTEM_ADDRESS
from cli.exit_codes import ExitCode


class AuditFailed(NodeError):
    """Two numbers that must be equal are not; the text says which and gives both."""

    exit_code = ExitCode.REFUSED


class ChainMoved(AuditFailed):
    """A block does not follow on the one before: the chain was reorganised while it was read. Read it again."""


@dataclass(frozen=True, slots=True)
class AuditedBlock:
    """What the audit reads of a block, nothing of which the node has summed up."""

    id: Hash32
    header: Header
    ticket: Ticket | None
    receipts_gas: Gas
    """Gas of its transactions by their receipts."""
    parties: Iterable[Address]
    """Senders and receivers of its transactions."""


@dataclass(frozen=True, slots=True)
class Audit:
    """Where all coins up to a block came from and went, recomputed."""

    height: int
    block_id: Hash32
    tickets: int
    """Blocks with a ticket."""
    transactions_gas: int
    premine: Wei
    subsidies: Wei
    ticket_rewards: Wei
    burnt: Wei

    @property
    def issued(self) -> Wei:
        """Coins ever made."""
        return Wei(self.premine + self.subsidies + self.ticket_rewards)

    @property
    def total(self) -> Wei:
        """What all balances must come to."""
        return Wei(self.issued - self.burnt)


class SupplyAudit:
    """Takes the blocks of a chain from block 1 on, in order; mutable, one walk long."""

    def __init__(self, genesis: Genesis) -> None:
        self._params = genesis.params
        self._parent = genesis.header
        self._id = genesis.chained.id
        self._premine = sum(genesis.allocations.values())
        self._subsidies = 0
        self._ticket_rewards = 0
        self._burnt = 0
        self._tickets = 0
        self._gas = 0
        self.accounts: set[Address] = {*genesis.allocations, SYSTEM_ADDRESS}
        """Everybody who can hold a coin: without an EVM, only those whom a block or its transactions name."""

    def add(self, block: AuditedBlock) -> None:
        """Take the next block. Raises `ChainMoved` if it does not follow, `AuditFailed` if it contradicts itself."""
        header, height = block.header, self._parent.height + 1
        if header.height != height or header.parent_id != self._id:
            raise ChainMoved(f"block {header.height} does not follow on block {self._parent.height}")
        expect(f"hash of block {height}", header_id(header).hex(), block.id.hex())
        expect(f"ticket of block {height}", ticket_commitment(block.ticket).hex(), header.ticket_commitment.hex())
        expect(f"gas of the receipts of block {height}", header.gas_used, block.receipts_gas)
        expect(f"base fee of block {height}", next_base_fee(self._parent, self._params), header.base_fee)
        handicap = None if block.ticket is None else header.handicap
        reward = block_reward(height, Wei(0), self._params, ticket_handicap=handicap)
        self._subsidies += reward.subsidy
        self._ticket_rewards += reward.ticket_reward
        self._burnt += header.gas_used * header.base_fee
        self._gas += header.gas_used
        self.accounts.add(header.miner)
        if block.ticket is not None:
            self._tickets += 1
            self.accounts.add(block.ticket.reward_address)
        self.accounts.update(block.parties)
        self._parent, self._id = header, block.id

    def result(self) -> Audit:
        """Return the sums up to the last block."""
        return Audit(
            height=self._parent.height,
            block_id=self._id,
            tickets=self._tickets,
            transactions_gas=self._gas,
            premine=Wei(self._premine),
            subsidies=Wei(self._subsidies),
            ticket_rewards=Wei(self._ticket_rewards),
            burnt=Wei(self._burnt),
        )


def expect(what: str, expected: object, got: object) -> None:
    """Compare two numbers that must be equal. Raises `AuditFailed`."""
    if expected != got:
        raise AuditFailed(f"{what}: expected {expected}, found {got}")
