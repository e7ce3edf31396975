"""Stakes: the staking account's interface, the validators and when their stakes count, and this node's own.

What everybody can compute from the chain is public; which tickets this node will have is for its operator alone.
"""

from chain.block import ChainedHeader
from chain.epochs import SNAPSHOT_AGE
from chain.primitives.units import Address
from chain.staking import MAX_LISTED
from chain.staking_abi import staking_abi
from chain.staking_registry import SYSTEM_ADDRESS, Registry
from net.rpc.encoding import Json, data, quantity
from net.rpc.errors import failed
from net.rpc.kinds import ADDRESS, ADDRESS_SCHEMA, COUNT, DATA_SCHEMA, QUANTITY_SCHEMA
from net.rpc.methods.results import INTEGER, NUMBER, OBJECT, array_of, nullable, record
from net.rpc.objects import Object
from net.rpc.registry import Method, Param, Where
from net.rpc.services import Services


class StakingMethods:
    """Answers about stakes."""

    def __init__(self, services: Services) -> None:
        self._parts = services.parts
        self._params = services.params

    def account(self) -> Json:
        """Return the staking account's address and ABI."""
        return {"address": data(SYSTEM_ADDRESS), "abi": staking_abi()}  # type: ignore[dict-item]  # parsed JSON

    def validators(self, offset: int, limit: int) -> Json:
        """Return a page of the registry as it is after the head, with what of it counts now."""
        head = self._parts.chain.head()
        registry = self._registry(head)
        epoch = self._params.epoch(head.height + 1)
        active = self._registry(self._snapshot(head, epoch))
        last = min(offset + min(limit, MAX_LISTED), registry.count)
        entries = [registry.entry(number) for number in range(offset, last)]
        return {
            "number": quantity(head.height),
            "epoch": epoch,
            "count": registry.count,
            "total": quantity(registry.total),
            "activeTotal": quantity(active.total),
            "validators": [
                {
                    "owner": data(entry.owner),
                    "validatorKey": data(entry.validator_key),
                    "stake": quantity(entry.stake),
                    "activeStake": quantity(active.stake_of(entry.owner)),
                }
                for entry in entries
            ],
        }

    def validator(self, owner: Address) -> Json:
        """Return one owner's stake: now and in the three epochs to come, and what waits to be paid back."""
        head = self._parts.chain.head()
        registry = self._registry(head)
        number = registry.number_of(owner)
        key = None if number is None else data(registry.key_and_stake(number)[0])
        epoch = self._params.epoch(head.height + 1)
        return {
            "number": quantity(head.height),
            "owner": data(owner),
            "validatorKey": key,
            "stake": quantity(registry.stake_of(owner)),
            "epochs": [self._in_epoch(head, epoch + ahead, owner) for ahead in range(SNAPSHOT_AGE + 1)],
            "withdrawals": [
                {"amount": quantity(entry.amount), "releaseNumber": quantity(entry.release_height)}
                for entry in registry.withdrawals(owner)
            ],
        }

    def own(self) -> Json:
        """Return this node's validators with the tickets they will have."""
        staking = self._parts.staking
        if staking is None:
            raise failed("this node has no staker")
        return [
            {
                "validatorKey": data(entry.validator_key),
                "rewardAddress": None if entry.reward_address is None else data(entry.reward_address),
                "activeStake": quantity(entry.stake),
                "ticketsSent": entry.sent,
                "ticketsWon": entry.won,
                "rewards": quantity(entry.rewards),
                "foreseen": [{"number": quantity(height), "handicap": late} for height, late in entry.foreseen],
            }
            for entry in staking.own()
        ]

    def _in_epoch(self, head: ChainedHeader, epoch: int, owner: Address) -> Object:
        """Return what a stake counts in an epoch; for the last one as far as the registry tells today."""
        registry = self._registry(self._snapshot(head, epoch))
        first = max(epoch * self._params.epoch_length, head.height + 1)
        stake, total = registry.stake_of(owner), registry.total
        found: Object = {
            "epoch": epoch,
            "firstNumber": quantity(epoch * self._params.epoch_length),
            "stake": quantity(stake),
            "total": quantity(total),
            "winsPerDay": 0.0,
            "rewardsPerDay": "0x0",
        }
        if self._parts.staking is not None and stake:
            wins, reward = self._parts.staking.expected(first, stake=stake, total=total, issued=registry.issued)
            found["winsPerDay"], found["rewardsPerDay"] = wins, quantity(reward)
        return found

    def _snapshot(self, head: ChainedHeader, epoch: int) -> ChainedHeader:
        """Return the block whose registry an epoch's tickets are judged by; the head if that block is still to come."""
        height = max(0, (epoch - SNAPSHOT_AGE + 1) * self._params.epoch_length - 1)
        return (self._parts.chain.header_at(height) or head) if height < head.height else head

    def _registry(self, block: ChainedHeader) -> Registry:
        return Registry(self._parts.chain.state(block))


def staking_methods(services: Services) -> list[Method]:
    """Return the methods of staking."""
    it = StakingMethods(services)
    entry = record(
        "validator",
        owner=ADDRESS_SCHEMA,
        validatorKey=DATA_SCHEMA,
        stake=QUANTITY_SCHEMA,
        activeStake=QUANTITY_SCHEMA,
    )
    page = record(
        "page of the registry",
        number=QUANTITY_SCHEMA,
        epoch=INTEGER,
        count=INTEGER,
        total=QUANTITY_SCHEMA,
        activeTotal=QUANTITY_SCHEMA,
        validators=array_of(entry),
    )
    in_epoch = record(
        "stake in an epoch",
        epoch=INTEGER,
        firstNumber=QUANTITY_SCHEMA,
        stake=QUANTITY_SCHEMA,
        total=QUANTITY_SCHEMA,
        winsPerDay=NUMBER,
        rewardsPerDay=QUANTITY_SCHEMA,
    )
    holding = record(
        "an owner's stake",
        number=QUANTITY_SCHEMA,
        owner=ADDRESS_SCHEMA,
        validatorKey=nullable(DATA_SCHEMA),
        stake=QUANTITY_SCHEMA,
        epochs=array_of(in_epoch),
        withdrawals=array_of(record("withdrawal", amount=QUANTITY_SCHEMA, releaseNumber=QUANTITY_SCHEMA)),
    )
    own = record(
        "a validator of this node",
        validatorKey=DATA_SCHEMA,
        rewardAddress=nullable(ADDRESS_SCHEMA),
        activeStake=QUANTITY_SCHEMA,
        ticketsSent=INTEGER,
        ticketsWon=INTEGER,
        rewards=QUANTITY_SCHEMA,
        foreseen=array_of(record("ticket to come", number=QUANTITY_SCHEMA, handicap=INTEGER)),
    )
    account = record("staking account", address=ADDRESS_SCHEMA, abi=array_of(OBJECT))
    return [
        Method("mappemonde_staking", "Address and ABI of the staking account", (), account, it.account),
        Method(
            "mappemonde_validators",
            f"Validators in the registry's order, up to {MAX_LISTED} at once, and what of their stake counts now",
            (Param("offset", COUNT, 0), Param("limit", COUNT, MAX_LISTED)),
            page,
            it.validators,
            Where.WORKER,
        ),
        Method(
            "mappemonde_validator",
            "One owner's stake: in this epoch and the three to come, with what it may expect, and its withdrawals",
            (Param("owner", ADDRESS),),
            holding,
            it.validator,
            Where.WORKER,
        ),
        Method(
            "mappemonde_ownValidators",
            "Validators of this node and the tickets they will have; told ahead, that is a target list",
            (),
            array_of(own),
            it.own,
            admin=True,
        ),
    ]
