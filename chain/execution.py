"""The state transition of a block (DESIGN 4.1): transactions one by one, then the rewards of rule 9.

It reads heights and what the header said before it was hashed, never the block's own time, seal or work, which are
unknown when the state root is hashed. There is no EVM: the only receiver that acts is the staking account.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chain.block import Header, SealedHeader, encoded_size
from chain.fees import Reward, block_reward, gas_price, next_base_fee
from chain.params import ChainParams
from chain.primitives.units import Address, Gas, Hash32, Millis, Wei
from chain.receipt import Log, Receipt, make_receipt, receipt_envelope
from chain.rules import InvalidBlock, InvalidTransaction, Rule, TxRule
from chain.staking import StakingCall, run_call
from chain.staking_registry import SYSTEM_ADDRESS, Registry
from chain.state import Account, State
from chain.transaction import SignedTransaction, Transaction, check_gas_and_fees
from chain.trie import ordered_root

BODY_HEAD_BYTES = 3
"""What the array around a body's transactions takes at most; counted in full, so that "fits" does not depend on it."""


@dataclass(frozen=True, slots=True)
class TicketReward:
    """What the execution of a block needs of its ticket."""

    address: Address
    """Where the ticket's share goes."""
    handicap: Millis
    """The header's handicap."""


@dataclass(frozen=True, slots=True)
class BlockFacts:
    """What is known of a block before it is executed."""

    height: int
    miner: Address
    base_fee: Wei
    ticket: TicketReward | None


@dataclass(frozen=True, slots=True)
class Execution:
    """What a block did."""

    transactions: tuple[SignedTransaction, ...]
    receipts: tuple[Receipt, ...]
    gas_used: Gas
    state_root: Hash32
    transactions_root: Hash32
    receipts_root: Hash32
    trie_nodes: Mapping[Hash32, bytes]
    """Nodes that are new with this block."""
    reward: Reward
    burnt: Wei
    """Base fees of the block: gone from every balance."""


def facts_of(sealed: SealedHeader) -> BlockFacts:
    """Return what a sealed header says of its block's execution."""
    header, ticket = sealed.header, sealed.ticket
    return BlockFacts(
        height=header.height,
        miner=header.miner,
        base_fee=header.base_fee,
        ticket=None if ticket is None else TicketReward(ticket.reward_address, header.handicap),
    )


def facts_after(parent: Header, params: ChainParams, miner: Address, ticket: TicketReward | None) -> BlockFacts:
    """Return the facts of a block that is built on `parent`."""
    return BlockFacts(parent.height + 1, miner, next_base_fee(parent, params), ticket)


class BodyBuilder:
    """Executes transactions one after the other on top of a parent's state: how bodies are built and verified alike."""

    def __init__(self, state: State, facts: BlockFacts, params: ChainParams) -> None:
        """`state` is the parent's and belongs to the builder from now on."""
        self._state = state
        self._facts = facts
        self._params = params
        self._transactions: list[SignedTransaction] = []
        self._receipts: list[Receipt] = []
        self._gas_used = 0
        self._tips = 0
        self._body_bytes = BODY_HEAD_BYTES

    def gas_left(self) -> Gas:
        """Return how much gas the transactions to come may ask for."""
        return Gas(self._params.gas_limit - self._gas_used)

    def has_room(self, tx: Transaction) -> Rule | None:
        """Return None if a transaction fits, else what it would exceed: GAS_LIMIT or BODY_SIZE."""
        if self._gas_used + tx.gas_limit > self._params.gas_limit:
            return Rule.GAS_LIMIT
        if self._body_bytes + encoded_size(tx.raw) > self._params.max_body_bytes:
            return Rule.BODY_SIZE
        return None

    def add(self, signed: SignedTransaction) -> bool:
        """Execute a transaction and return True; return False and do nothing if the block has no room for it.

        Raises `InvalidTransaction` by rule when it cannot be executed after those before it; nothing has changed then.
        """
        if self.has_room(signed.tx) is not None:
            return False
        self._execute(signed)
        return True

    def _execute(self, signed: SignedTransaction) -> None:
        tx, state = signed.tx, self._state
        intrinsic = check_gas_and_fees(tx, self._params.gas_limit)
        if tx.max_fee < self._facts.base_fee:
            raise InvalidTransaction(TxRule.FEE_BELOW_BASE, expected=self._facts.base_fee, got=tx.max_fee)
        sender = state.account(signed.sender)
        if tx.nonce != sender.nonce:
            rule = TxRule.NONCE_LOW if tx.nonce < sender.nonce else TxRule.NONCE_HIGH
            raise InvalidTransaction(rule, expected=sender.nonce, got=tx.nonce)
        needed = tx.gas_limit * tx.max_fee + tx.value
        if sender.balance < needed:
            raise InvalidTransaction(TxRule.FUNDS, expected=needed, got=sender.balance)
        price = gas_price(tx, self._facts.base_fee)
        succeeded, gas_used = True, intrinsic
        logs: tuple[Log, ...] = ()
        if tx.to == SYSTEM_ADDRESS:
            _pay(state, signed.sender, Wei(tx.gas_limit * price), next_nonce=tx.nonce + 1)
            succeeded, gas_used, logs = self._call_staking(signed, Gas(tx.gas_limit - intrinsic))
            gas_used = Gas(gas_used + intrinsic)
            state.add_balance(signed.sender, Wei((tx.gas_limit - gas_used) * price))
        else:
            _pay(state, signed.sender, Wei(gas_used * price + tx.value), next_nonce=tx.nonce + 1)
            state.add_balance(tx.to, tx.value)
        self._gas_used += gas_used
        self._tips += gas_used * (price - self._facts.base_fee)
        self._body_bytes += encoded_size(tx.raw)
        self._transactions.append(signed)
        self._receipts.append(
            make_receipt(tx.type, succeeded=succeeded, cumulative_gas_used=Gas(self._gas_used), logs=logs)
        )

    def _call_staking(self, signed: SignedTransaction, gas: Gas) -> tuple[bool, Gas, tuple[Log, ...]]:
        tx, state = signed.tx, self._state
        state.begin()
        state.set_balance(signed.sender, Wei(state.balance(signed.sender) - tx.value))
        state.add_balance(SYSTEM_ADDRESS, tx.value)
        call = StakingCall(signed.sender, tx.value, tx.data, self._facts.height, gas)
        outcome = run_call(state, self._params, call)
        if outcome.succeeded:
            state.keep()
        else:
            state.revert()
        return outcome.succeeded, outcome.gas_used, outcome.logs

    def finish(self, transactions_root: Hash32 | None = None) -> Execution:
        """Pay the rewards, commit the state and return what the block did; the builder is spent.

        `transactions_root` saves its computation to a caller who has it.
        """
        facts, state = self._facts, self._state
        handicap = None if facts.ticket is None else facts.ticket.handicap
        reward = block_reward(facts.height, Wei(self._tips), self._params, ticket_handicap=handicap)
        state.add_balance(facts.miner, reward.to_miner)
        if facts.ticket is not None:
            state.add_balance(facts.ticket.address, reward.to_ticket)
        Registry(state).add_issued(reward.issued)
        state_root, nodes = state.commit()
        return Execution(
            transactions=tuple(self._transactions),
            receipts=tuple(self._receipts),
            gas_used=Gas(self._gas_used),
            state_root=state_root,
            transactions_root=transactions_root or root_of_transactions([signed.tx for signed in self._transactions]),
            receipts_root=ordered_root([receipt_envelope(receipt) for receipt in self._receipts]),
            trie_nodes=nodes,
            reward=reward,
            burnt=Wei(self._gas_used * facts.base_fee),
        )


def _pay(state: State, sender: Address, amount: Wei, *, next_nonce: int) -> None:
    account = state.account(sender)
    balance = Wei(account.balance - amount)
    state.set_account(sender, Account(next_nonce, balance, account.storage_root, account.code_hash))


def root_of_transactions(transactions: Sequence[Transaction]) -> Hash32:
    """Return a header's `transactions_root` for a body."""
    return ordered_root([tx.raw for tx in transactions])


def execute_block(
    state: State,
    facts: BlockFacts,
    transactions: Sequence[SignedTransaction],
    params: ChainParams,
    transactions_root: Hash32 | None = None,
) -> Execution:
    """Execute a body on its parent's state. Raises `InvalidBlock`: GAS_LIMIT, BODY_SIZE or TRANSACTION."""
    builder = BodyBuilder(state, facts, params)
    for index, signed in enumerate(transactions):
        try:
            if not builder.add(signed):
                lacking = builder.has_room(signed.tx)
                assert lacking is not None, "what is not added lacks room"
                raise InvalidBlock(lacking, detail=f"at transaction {index}")
        except InvalidTransaction as error:
            raise InvalidBlock(Rule.TRANSACTION, detail=f"transaction {index}: {error}") from error
    return builder.finish(transactions_root)


def verify_block(
    state: State,
    parent: Header,
    sealed: SealedHeader,
    transactions: Sequence[SignedTransaction],
    params: ChainParams,
) -> Execution:
    """Execute a block on its parent's state and compare with its header. Raises `InvalidBlock` by rule.

    Ticket, handicap and seal are checked by `ports.SealRules`, before this.
    """
    header = sealed.header
    _expect(Rule.BASE_FEE, next_base_fee(parent, params), header.base_fee)
    root = root_of_transactions([signed.tx for signed in transactions])
    _expect(Rule.TRANSACTIONS_ROOT, root, header.transactions_root)
    done = execute_block(state, facts_of(sealed), transactions, params, root)
    _expect(Rule.GAS_USED, done.gas_used, header.gas_used)
    _expect(Rule.RECEIPTS_ROOT, done.receipts_root, header.receipts_root)
    _expect(Rule.STATE_ROOT, done.state_root, header.state_root)
    return done


def _expect(rule: Rule, expected: object, got: object) -> None:
    if expected != got:
        raise InvalidBlock(rule, expected=expected, got=got)
