"""What gas costs and what a block pays: base fee (EIP-1559) and rewards (DESIGN section 5, rule 9), in integers."""

from dataclasses import dataclass

from chain.block import Header
from chain.params import ChainParams
from chain.primitives.units import Millis, Wei
from chain.transaction import Transaction


def next_base_fee(parent: Header, params: ChainParams) -> Wei:
    """Return the base fee of the block after `parent`: EIP-1559, never under the initial one."""
    target = params.gas_limit // params.base_fee_elasticity
    fee = parent.base_fee
    if parent.gas_used > target:
        rise = fee * (parent.gas_used - target) // target // params.base_fee_denominator
        fee = Wei(fee + max(rise, 1))
    elif parent.gas_used < target:
        fee = Wei(fee - fee * (target - parent.gas_used) // target // params.base_fee_denominator)
    return max(fee, params.initial_base_fee)


def gas_price(tx: Transaction, base_fee: Wei) -> Wei:
    """Return what the sender pays per gas, base fee included; the transaction's fee covers the base fee."""
    return min(tx.max_fee, Wei(base_fee + tx.max_priority_fee))


def handicap_cap(height: int, params: ChainParams) -> Millis:
    """Return the handicap of a block without a ticket (rule 3)."""
    ramp = min(max(height - params.stake_start, 0), params.stake_ramp)
    return Millis(params.open_handicap * ramp // params.stake_ramp)


@dataclass(frozen=True, slots=True)
class Reward:
    """What a block pays; the sum less the tips is newly issued."""

    subsidy: Wei
    """S(n), new, to the miner."""
    ticket_reward: Wei
    """r, new, to the ticket's reward address; zero without a ticket."""
    ticket_tips: Wei
    """The ticket's share of the tips."""
    miner_tips: Wei
    """The other tips."""

    @property
    def issued(self) -> Wei:
        """Coins that did not exist before this block."""
        return Wei(self.subsidy + self.ticket_reward)

    @property
    def to_miner(self) -> Wei:
        """What the miner gets."""
        return Wei(self.subsidy + self.miner_tips)

    @property
    def to_ticket(self) -> Wei:
        """What the ticket's reward address gets."""
        return Wei(self.ticket_reward + self.ticket_tips)


def block_reward(height: int, tips: Wei, params: ChainParams, *, ticket_handicap: Millis | None) -> Reward:
    """Return the reward of a block (rule 9); `ticket_handicap` is the header's if it has a ticket, else None."""
    subsidy = params.subsidy_at(height)
    if ticket_handicap is None:
        return Reward(subsidy, Wei(0), Wei(0), tips)
    saved = max(handicap_cap(height, params) - ticket_handicap, 0)
    reward = Wei(5 * subsidy * saved // (8 * params.open_handicap))
    share = Wei(tips * reward // (subsidy + reward)) if reward else Wei(0)
    return Reward(subsidy, reward, share, Wei(tips - share))
