"""The staker as a sans-IO machine: the tickets of several validators, and what they may expect.

The VRF's input does not depend on the parent, so a validator knows its tickets of an epoch as soon as the seed is
fixed. That foresight is computed ahead in small steps, so that a ticket leaves at once when a parent is known, and it
never leaves this machine but as tickets: told ahead, it would be a target list for denial of service.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from coincurve import PrivateKey

from chain.block import ChainedHeader
from chain.fees import block_reward, handicap_cap
from chain.params import ChainParams
from chain.ports import EpochStake
from chain.primitives.units import Address, Hash32, Millis, Wei
from consensus import vrf
from consensus.ripening import ticket_handicap
from consensus.ticket import Draw, build_ticket, ticket_alpha, tickets_open

FORESIGHT_STEP = 16
"""Proofs made per call of `tick`: 2 ms of the event loop."""

DRAWS_KEPT = 8_192
"""Proofs remembered, 1 MB; the oldest go first. An epoch of 64 validators on mainnet."""


@dataclass(frozen=True, slots=True)
class Validator:
    """A key that stakes on this node. It is no spending key."""

    key: PrivateKey
    reward_address: Address | None
    """Account that its tickets are rewarded to; None for the owner of the stake, whom `Staker.owner` tells."""

    @property
    def public(self) -> bytes:
        """The 33-byte key in the registry."""
        return bytes(self.key.public_key.format())


@dataclass(frozen=True, slots=True)
class OwnTicket:
    """A ticket made for a parent: hand it to `TicketRelay.own`."""

    parent_id: Hash32
    draw: Draw


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A coming height at which a validator has a ticket under the cap. Private."""

    height: int
    handicap: Millis


@dataclass(frozen=True, slots=True)
class ValidatorStatus:
    """What the operator may know about one validator."""

    public: bytes
    reward_address: Address | None
    """None until it is known whose stake it is."""
    stake: Wei
    """In the snapshot of the present epoch; 0 while a deposit waits or after a withdrawal."""
    share: float
    """Of all active stake."""
    tickets_sent: int
    tickets_won: int
    """Tickets that stand in canonical blocks seen since the start."""
    rewards: Wei
    """What those tickets minted; their share of the tips comes on top."""
    expected_wins_per_day: float
    expected_rewards_per_day: Wei
    foreseen: tuple[Foreseen, ...]
    """Coming tickets of the present epoch, as far as computed."""


@dataclass(slots=True)
class _Account:
    validator: Validator
    public: bytes
    reward_address: Address | None
    sent: int = 0
    won: int = 0
    rewards: int = 0


@dataclass(frozen=True, slots=True)
class _Proof:
    proof: bytes
    beta: bytes


@dataclass(frozen=True, slots=True)
class _Now:
    height: int
    """Height of the block that is being mined."""
    stake: EpochStake


class Staker:
    """The validators of this node; mutable, owned by its event loop."""

    def __init__(self, params: ChainParams, validators: Sequence[Validator], entropy: Callable[[int], bytes]) -> None:
        """`entropy` gives fresh secret bytes, for signatures."""
        self._params = params
        self._entropy = entropy
        self._accounts = {
            validator.public: _Account(validator, validator.public, validator.reward_address)
            for validator in validators
        }
        self._proofs: OrderedDict[tuple[bytes, Hash32, int], _Proof] = OrderedDict()
        self._now: _Now | None = None
        self._ahead = 0

    def owner(self, public: bytes, owner: Address) -> None:
        """Take the account that deposited a validator's stake: it is rewarded unless the operator named another."""
        account = self._accounts[public]
        account.reward_address = account.validator.reward_address or owner

    def parent(self, parent: ChainedHeader, stake: EpochStake) -> list[OwnTicket]:
        """Return this node's best ticket for the block after `parent`, at once; nothing if none is under the cap.

        Only the best of several validators goes out: the others would not be relayed.
        """
        height = parent.height + 1
        if self._now is None or (height, stake.seed) != (self._now.height, self._now.stake.seed):
            self._ahead = height + 1
        self._now = _Now(height, stake)
        if not tickets_open(self._params, height):
            return []
        worths = [(worth, account) for account in self._accounts.values() if (worth := self._worth(account, height))]
        if not worths:
            return []
        (handicap, beta, proof), account = min(worths, key=lambda entry: entry[0])
        assert account.reward_address is not None, "an account that nobody is paid for has no worth"
        ticket = build_ticket(
            self._params,
            key=account.validator.key,
            proof=proof,
            parent=parent,
            reward_address=account.reward_address,
            auxiliary=self._entropy(32),
        )
        account.sent += 1
        return [OwnTicket(parent.id, Draw(ticket, beta, handicap))]

    def applied(self, block: ChainedHeader) -> None:
        """Take a canonical block: counts the tickets won."""
        self._count(block, 1)

    def undone(self, block: ChainedHeader) -> None:
        """Take back a block that is canonical no more."""
        self._count(block, -1)

    def has_work(self) -> bool:
        """Tell whether `tick` would still compute foresight for the present epoch."""
        return self._now is not None and bool(self._accounts) and self._ahead <= self._last_height(self._now)

    def tick(self) -> None:
        """Compute some proofs of coming heights; call it whenever the event loop has nothing better to do."""
        if self._now is None:
            return
        budget, last = FORESIGHT_STEP, self._last_height(self._now)
        while budget > 0 and self._ahead <= last:
            for account in self._staked(self._now.stake):
                self._proof(account, self._now.stake.seed, self._ahead)
                budget -= 1
            self._ahead += 1

    def statistics(self) -> tuple[ValidatorStatus, ...]:
        """Return the state of each validator; foresight included, so it is for the operator alone."""
        return tuple(self._status(account) for account in self._accounts.values())

    def _last_height(self, now: _Now) -> int:
        """Last height of the present epoch: the seed of the next is not fixed before its own predecessor ends."""
        return (self._params.epoch(now.height) + 1) * self._params.epoch_length - 1

    def _staked(self, stake: EpochStake) -> list[_Account]:
        return [account for account in self._accounts.values() if stake.stakes.get(account.public)]

    def _proof(self, account: _Account, seed: Hash32, height: int) -> _Proof:
        key = (account.public, seed, height)
        known = self._proofs.get(key)
        if known is None:
            proof = vrf.prove(account.validator.key, ticket_alpha(seed, height))
            known = self._proofs[key] = _Proof(proof, vrf.claimed_output(proof))
            if len(self._proofs) > DRAWS_KEPT:
                self._proofs.popitem(last=False)
        return known

    def _worth(self, account: _Account, height: int) -> tuple[Millis, bytes, bytes] | None:
        """Return (handicap, beta, proof) of a validator at a height, None if it has no stake or no use."""
        now = self._now
        held = None if now is None else now.stake.stakes.get(account.public)
        if now is None or not held or account.reward_address is None:
            return None
        drawn = self._proof(account, now.stake.seed, height)
        handicap = ticket_handicap(
            self._params, height, drawn.beta, stake=held, total=now.stake.total, issued=now.stake.issued
        )
        if handicap >= handicap_cap(height, self._params):
            return None
        return handicap, drawn.beta, drawn.proof

    def _count(self, block: ChainedHeader, sign: int) -> None:
        ticket = block.sealed.ticket
        account = None if ticket is None else self._accounts.get(ticket.validator_key)
        if account is None:
            return
        reward = block_reward(block.height, Wei(0), self._params, ticket_handicap=block.header.handicap)
        account.won += sign
        account.rewards += sign * reward.ticket_reward

    def _status(self, account: _Account) -> ValidatorStatus:
        now = self._now
        held = Wei(0) if now is None else now.stake.stakes.get(account.public, Wei(0))
        share, wins, reward, foreseen = 0.0, 0.0, Wei(0), tuple[Foreseen, ...]()
        if now is not None and held:
            share = held / now.stake.total
            wins, reward = expected_rewards(
                self._params, now.height, stake=held, total=now.stake.total, issued=now.stake.issued
            )
            foreseen = tuple(
                Foreseen(height, worth[0])
                for height in range(now.height + 1, self._ahead)
                if (worth := self._worth(account, height))
            )
        return ValidatorStatus(
            public=account.public,
            reward_address=account.reward_address,
            stake=held,
            share=share,
            tickets_sent=account.sent,
            tickets_won=account.won,
            rewards=Wei(account.rewards),
            expected_wins_per_day=wins,
            expected_rewards_per_day=reward,
            foreseen=foreseen,
        )


def expected_rewards(params: ChainParams, height: int, *, stake: Wei, total: Wei, issued: Wei) -> tuple[float, Wei]:
    """Return (tickets won, wei minted) a day by a stake if everybody in the snapshot is online.

    `total` is all stake of the snapshot, `issued` all coins then.

    Handicaps are exponential with mean M = TAU s_eff / stake before the cap, and so is the lowest of all, with the sum
    of the stakes: a stake wins its share of the blocks whose lowest handicap h is under the cap C, which is
    1 - e^(-C/M) of them, and the mean of C - h over all blocks is C - M (1 - e^(-C/M)).
    """
    cap = handicap_cap(height, params)
    if not tickets_open(params, height) or cap == 0 or stake <= 0:
        return 0.0, Wei(0)
    effective = max(total, issued // params.floor_div)
    ramped = cap / params.open_handicap
    mean = params.ticket_unit / math.log(2) * (effective / total) * ramped
    used = 1 - math.exp(-cap / mean)
    blocks_per_day = 86_400_000 / params.block_time
    share = stake / total
    saved = cap - mean * used
    minted = 5 * params.subsidy_at(height) * saved / (8 * params.open_handicap)
    return blocks_per_day * share * used, Wei(round(blocks_per_day * share * minted))
