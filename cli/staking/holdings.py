"""One owner's stake as the node tells it, and when it counts."""

from collections.abc import Mapping
from dataclasses import dataclass

from chain.primitives.units import Address, Wei
from cli.rpc_client import RpcClient, as_list, as_object, integer, quantity, real
from cli.wallet.addresses import format_address


@dataclass(frozen=True, slots=True)
class InEpoch:
    """What a stake counts in one epoch."""

    epoch: int
    first_height: int
    stake: Wei
    total: Wei
    wins_per_day: float
    rewards_per_day: Wei


@dataclass(frozen=True, slots=True)
class Waiting:
    """A withdrawal that was asked for."""

    amount: Wei
    release_height: int


@dataclass(frozen=True, slots=True)
class Holding:
    """One owner's stake at a head."""

    height: int
    owner: Address
    validator_key: str | None
    """As the RPC writes it; None without a stake."""
    stake: Wei
    """In the registry; it counts some epochs later."""
    epochs: tuple[InEpoch, ...]
    """This epoch and those to come whose stakes are known, the last one as it would be today."""
    withdrawals: tuple[Waiting, ...]

    @property
    def now(self) -> InEpoch:
        """What counts now."""
        return self.epochs[0]

    @property
    def counts_from(self) -> InEpoch:
        """Return the first epoch in which the whole present stake counts."""
        return next((entry for entry in self.epochs if entry.stake == self.stake), self.epochs[-1])

    @property
    def due(self) -> Wei:
        """What a withdrawal in the next block would pay out."""
        return Wei(sum(entry.amount for entry in self.withdrawals if entry.release_height <= self.height + 1))


def fetch_holding(client: RpcClient, owner: Address) -> Holding:
    """Return an owner's stake; zero everywhere if there is none."""
    found = client.record("mappemonde_validator", format_address(owner))
    key = found.get("validatorKey")
    return Holding(
        height=quantity(found["number"]),
        owner=owner,
        validator_key=key if isinstance(key, str) else None,
        stake=Wei(quantity(found["stake"])),
        epochs=tuple(_in_epoch(as_object(entry)) for entry in as_list(found["epochs"])),
        withdrawals=tuple(
            Waiting(Wei(quantity(entry["amount"])), quantity(entry["releaseNumber"]))
            for entry in map(as_object, as_list(found["withdrawals"]))
        ),
    )


def _in_epoch(entry: Mapping[str, object]) -> InEpoch:
    return InEpoch(
        epoch=integer(entry["epoch"]),
        first_height=quantity(entry["firstNumber"]),
        stake=Wei(quantity(entry["stake"])),
        total=Wei(quantity(entry["total"])),
        wins_per_day=real(entry["winsPerDay"]),
        rewards_per_day=Wei(quantity(entry["rewardsPerDay"])),
    )
