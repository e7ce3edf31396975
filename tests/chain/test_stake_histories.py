"""Random histories of stakes on branching chains, imported in any order, against a plain model of each branch."""

from dataclasses import dataclass, replace
from random import Random

import pytest
from coincurve import PrivateKey

from chain.block import ChainedHeader
from chain.importer import Importer
from chain.primitives.keys import schnorr_sign
from chain.primitives.units import COIN, Address, Hash32, Millis, Wei
from chain.staking import deposit_digest
from chain.staking_abi import encode_deposit, encode_request_withdrawal, encode_withdraw
from chain.staking_registry import MAX_WITHDRAWALS, SYSTEM_ADDRESS, Registry
from chain.staking_snapshot import make_snapshot
from chain.state import State
from chain.transaction import SignedTransaction
from chain.verified import VerifiedBlock
from storage.chain_store import ChainStore
from storage.memory import MemoryStore
from tests.helpers.forge import MINER, FakeRules, Forge
from tests.helpers.networks import FUNDED, address_of, payment, small_genesis
from tests.helpers.stakes import validator_key

GENESIS = small_genesis(epoch_length=2, unbonding_blocks=8)
PARAMS = GENESIS.params
AGES_LATER = Millis(GENESIS.chained.time + 10**9)
OWNERS = range(FUNDED)
PREMINE = 1000 * COIN * FUNDED
SUBSIDY = 50 * COIN


@dataclass(frozen=True, slots=True)
class Model:
    """The stakes after a block, as a table."""

    height: int = 0
    stakes: tuple[tuple[int, int, int], ...] = ()
    """Owner, key, coins."""
    waiting: tuple[tuple[int, int, int], ...] = ()
    """Owner, height of release, coins; oldest first."""
    burnt: int = 0

    def held(self, owner: int) -> tuple[int, int] | None:
        """Return key and coins of an owner."""
        return next(((key, coins) for other, key, coins in self.stakes if other == owner), None)

    def with_stake(self, owner: int, key: int, coins: int) -> "Model":
        others = tuple(entry for entry in self.stakes if entry[0] != owner)
        return replace(self, stakes=(*others, (owner, key, coins)) if coins else others)

    def deposit(self, owner: int, key: int, coins: int) -> "Model":
        held = self.held(owner)
        if coins == 0 or (held is not None and held[0] != key):
            return self
        if held is None and any(taken == key for _, taken, _ in self.stakes):
            return self
        return self.with_stake(owner, key, coins + (0 if held is None else held[1]))

    def request(self, owner: int, coins: int) -> "Model":
        held = self.held(owner)
        if held is None or not 0 < coins <= held[1] or self._queued(owner) == MAX_WITHDRAWALS:
            return self
        after = self.with_stake(owner, held[0], held[1] - coins)
        return replace(after, waiting=(*self.waiting, (owner, self.height + PARAMS.unbonding_blocks, coins)))

    def _queued(self, owner: int) -> int:
        return sum(other == owner for other, _, _ in self.waiting)

    def withdraw(self, owner: int) -> "Model":
        kept = tuple(entry for entry in self.waiting if entry[0] != owner or entry[1] > self.height)
        return replace(self, waiting=kept)


def _public(key: int) -> bytes:
    return bytes(validator_key(key).public_key.format())


def _proof(key: PrivateKey, owner: int) -> bytes:
    digest = deposit_digest(PARAMS.chain_id, bytes(key.public_key.format()), address_of(owner))
    return schnorr_sign(key, digest, bytes(32))


class World:
    """A tree of blocks with the model after each."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.forge = Forge(GENESIS)
        self.blocks: list[VerifiedBlock] = []
        self.models: dict[Hash32, Model] = {self.forge.root.id: Model()}
        self.places = [self.forge.root]

    def grow(self, count: int) -> None:
        """Add blocks, most of them on the newest."""
        for number in range(count):
            parent = self.places[-1] if self.rng.random() < 0.8 else self.rng.choice(self.places[-12:])
            self._block(parent, number)

    def _block(self, parent: ChainedHeader, number: int) -> None:
        model = self.models[parent.id]
        model = replace(model, height=model.height + 1)
        nonces = dict.fromkeys(OWNERS, 0)
        state = State(self.forge._store, parent.header.state_root)
        calls: list[SignedTransaction] = []
        for _ in range(self.rng.randrange(5)):
            owner = self.rng.choice(OWNERS)
            data, value, model = self._call(model, owner)
            nonce = state.nonce(address_of(owner)) + nonces[owner]
            nonces[owner] += 1
            calls.append(payment(GENESIS, owner, nonce, to=SYSTEM_ADDRESS, value=value, data=data, gas=300_000))
        block = self.forge.block(parent, *calls, extra=number.to_bytes(4, "big"), work=self.rng.randrange(80, 120))
        chained = self.forge.chained(block)
        burnt = model.burnt + chained.header.gas_used * chained.header.base_fee
        self.models[chained.id] = replace(model, burnt=burnt)
        self.blocks.append(block)
        self.places.append(chained)

    def _call(self, model: Model, owner: int) -> tuple[bytes, int, Model]:
        match self.rng.randrange(4):
            case 0:
                key, coins = self.rng.randrange(3), self.rng.randrange(4)  # fewer keys than owners: they are fought for
                data = encode_deposit(_public(key), _proof(validator_key(key), owner))
                return data, coins * COIN, model.deposit(owner, key, coins)
            case 1:
                coins = self.rng.randrange(6)
                return encode_request_withdrawal(coins * COIN), 0, model.request(owner, coins)
            case 2:
                held = model.held(owner)
                coins = 1 if held is None else held[1]
                return encode_request_withdrawal(coins * COIN), 0, model.request(owner, coins)
            case _:
                return encode_withdraw(), 0, model.withdraw(owner)

    def ancestor(self, block: ChainedHeader, height: int) -> ChainedHeader:
        """Return the ancestor of a height on the block's own branch."""
        by_id = {place.id: place for place in self.places}
        while block.height > height:
            block = by_id[block.header.parent_id]
        return block


def _stakes(model: Model) -> dict[bytes, Wei]:
    return {_public(key): Wei(coins * COIN) for _, key, coins in model.stakes}


def _check_state(state: State, model: Model) -> None:
    """Compare a state with the model of its block, to the wei."""
    registry = Registry(state)
    entries = [registry.entry(number) for number in range(registry.count)]
    assert {entry.validator_key: entry.stake for entry in entries} == _stakes(model)
    assert registry.total == sum(entry.stake for entry in entries)
    for owner, key, coins in model.stakes:
        number = registry.number_of(address_of(owner))
        assert number is not None
        assert (registry.key_and_stake(number), registry.key_owner(_public(key))) == (
            (_public(key), coins * COIN),
            address_of(owner),
        )
    staking = {owner for owner, _, _ in model.stakes}
    assert all(registry.number_of(address_of(owner)) is None for owner in OWNERS if owner not in staking)
    for owner in OWNERS:
        queue = [(entry.release_height, entry.amount) for entry in registry.withdrawals(address_of(owner))]
        assert len(queue) <= MAX_WITHDRAWALS
        assert queue == [(release, coins * COIN) for other, release, coins in model.waiting if other == owner]
    waiting = sum(coins for _, _, coins in model.waiting) * COIN
    assert state.balance(SYSTEM_ADDRESS) == registry.total + waiting
    accounts: list[Address] = [MINER, SYSTEM_ADDRESS, *(address_of(owner) for owner in OWNERS)]
    issued = PREMINE + SUBSIDY * model.height
    assert registry.issued == issued
    assert sum(state.balance(account) for account in accounts) == issued - model.burnt


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_every_branch_follows_its_own_model_whatever_the_order(seed: int) -> None:
    rng = Random(seed)
    world = World(rng)
    world.grow(60)
    disk = MemoryStore()
    importer = Importer(PARAMS, GENESIS, ChainStore(disk), FakeRules())
    shuffled = sorted(world.blocks, key=lambda block: block.sealed.header.height + rng.randrange(6))
    for number, block in enumerate(shuffled):
        importer.add(block, AGES_LATER)
        if number % 20 == 19:
            disk = disk.reopen()
            importer = Importer(PARAMS, GENESIS, ChainStore(disk), FakeRules())
    for block in world.blocks:  # orphans do not outlive a restart
        importer.add(block, AGES_LATER)
    store = ChainStore(disk)
    assert importer.statistics().invalid == 0
    for place in world.places:
        assert store.chained(place.id) == place
        _check_state(State(store, place.header.state_root), world.models[place.id])
        source = world.ancestor(place, max(0, (PARAMS.epoch(place.height + 1) - 2) * PARAMS.epoch_length - 1))
        model = world.models[source.id]
        expected = make_snapshot(_stakes(model).items(), Wei(PREMINE + SUBSIDY * model.height))
        found = importer.epoch_stake(place)
        assert (dict(found.stakes), found.total, found.issued, found.commitment) == (
            dict(expected.stakes),
            expected.total,
            expected.issued,
            expected.commitment,
        )
    assert any(model.stakes for model in world.models.values())
    assert importer.head().height > 20
