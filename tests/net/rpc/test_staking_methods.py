"""The staking methods: what the chain tells everybody, and what a node tells its operator alone."""

from collections.abc import Sequence
from dataclasses import replace

from chain.primitives.units import COIN, Address, Millis, Wei
from net.rpc.errors import FORBIDDEN
from net.rpc.ports import OwnValidator
from net.rpc.registry import Caller
from tests.helpers.networks import address_of, small_genesis
from tests.helpers.rpc_world import Direct, World
from tests.helpers.stakes import deposit, validator_key

OPERATOR = Caller("test", admin=True)
FORESEEN = [(12, Millis(345))]


class Expecting:
    """Expects as many tickets as the height, and has one validator."""

    def expected(self, height: int, *, stake: Wei, total: Wei, issued: Wei) -> tuple[float, Wei]:
        assert stake <= total <= issued
        return float(height), Wei(height)

    def own(self) -> Sequence[OwnValidator]:
        return [OwnValidator(b"\x02" * 33, None, Wei(5), 3, 2, Wei(9), FORESEEN)]


def staked() -> World:
    """Return a chain with two deposits in block 1, of epoch 0."""
    world = World(genesis=small_genesis())
    world.parts = replace(world.parts, staking=Expecting())
    deposits = [deposit(world.builder.genesis, owner, 0, value=(owner + 1) * 10 * COIN) for owner in (0, 1)]
    world.take(world.builder.extend(None, deposits))
    return world


def mine_to(world: World, height: int) -> None:
    while world.view.head().height < height:
        world.mine()


async def test_a_stake_counts_from_the_third_epoch_after_its_own() -> None:
    world = staked()
    direct = Direct(world)
    owner = "0x" + address_of(1).hex()
    for height, active in ((1, 0), (13, 0), (14, 20 * COIN), (30, 20 * COIN)):
        mine_to(world, height)
        found = await direct.record("mappemonde_validator", owner)
        epochs = found["epochs"]
        assert isinstance(epochs, list)
        assert (int(epochs[0]["stake"], 16), epochs[0]["epoch"]) == (active, (height + 1) // 5)
        assert int(str(found["stake"]), 16) == 20 * COIN
        assert found["validatorKey"] == "0x" + validator_key(1).public_key.format().hex()
        assert [int(entry["stake"], 16) for entry in epochs][-1] == 20 * COIN
        counted = next(entry for entry in epochs if entry["stake"] == found["stake"])
        if height <= 14:
            assert int(counted["firstNumber"], 16) == 15
        assert counted["winsPerDay"] == max(int(counted["firstNumber"], 16), height + 1)


async def test_the_registry_is_paged() -> None:
    world = staked()
    mine_to(world, 14)
    direct = Direct(world)
    whole = await direct.record("mappemonde_validators")
    assert (whole["count"], whole["epoch"], int(str(whole["activeTotal"]), 16)) == (2, 3, 30 * COIN)
    entries = whole["validators"]
    assert isinstance(entries, list)
    assert [int(entry["activeStake"], 16) for entry in entries] == [10 * COIN, 20 * COIN]
    second = await direct.record("mappemonde_validators", 1, 1)
    assert second["validators"] == entries[1:]
    assert (await direct.record("mappemonde_validators", 2, 256))["validators"] == []
    assert (await direct.record("mappemonde_validators", 10**12, 10**12))["validators"] == []


async def test_who_has_no_stake_is_answered_too() -> None:
    found = await Direct(staked()).record("mappemonde_validator", "0x" + Address(bytes(20)).hex())
    assert (found["validatorKey"], found["stake"], found["withdrawals"]) == (None, "0x0", [])


async def test_foresight_is_for_the_operator_alone() -> None:
    direct = Direct(staked())
    code, _ = await direct.error("mappemonde_ownValidators")
    assert code == FORBIDDEN
    listed = await direct.result("mappemonde_ownValidators", caller=OPERATOR)
    assert isinstance(listed, list)
    (own,) = listed
    assert (own["ticketsSent"], own["ticketsWon"], own["rewardAddress"]) == (3, 2, None)
    assert own["foreseen"] == [{"number": "0xc", "handicap": 345}]
    bare = Direct(World())
    code, text = await bare.error("mappemonde_ownValidators", caller=OPERATOR)
    assert "no staker" in text
