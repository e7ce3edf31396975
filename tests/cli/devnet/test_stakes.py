"""Who stakes on a devnet, and what the table counts."""

from pathlib import Path

import pytest

from chain.genesis import load_genesis
from chain.primitives.units import Wei
from cli.devnet.earnings import SETTLED_DEPTH, Earnings
from cli.devnet.plan import NodePlan, plan_devnet
from cli.devnet.stakes import STAKES, make_key
from cli.rpc_client import RpcUnreachable
from cli.staking.keys import find_validator_key, unlock_validator_key
from cli.staking.tally import Earned
from cli.wallet.secrets_in import read_secret

PARAMS = load_genesis("devnet").params
MINERS = ("0x" + "11" * 20, "0x" + "22" * 20)


def plans(root: Path, nodes: int) -> tuple[NodePlan, ...]:
    """Return the plan of a devnet."""
    return plan_devnet(root, nodes, 0, MINERS)


def test_of_six_nodes_two_mine_and_three_stake(tmp_path: Path) -> None:
    six = plans(tmp_path, 6)
    assert [bool(plan.reward_address) for plan in six] == [True, True, False, False, False, False]
    assert [plan.stake is not None for plan in six] == [False, False, True, True, True, False]
    assert [plan.stake.stake for plan in six if plan.stake] == list(STAKES)
    words = six[2].command("ws://x")
    assert words[words.index("--stake-key") + 1] == str(tmp_path / "node-2" / "validator.json")
    assert words[words.index("--stake-password-file") + 1] == str(tmp_path / "node-2" / "validator.password")
    for nodes in (1, 4, 5):
        assert not any(plan.stake for plan in plans(tmp_path, nodes)), "smaller devnets are as they were"
        assert "--stake-key" not in plans(tmp_path, nodes)[-1].command("ws://x")


def test_a_stakers_key_is_made_once_and_private(tmp_path: Path) -> None:
    stake = plans(tmp_path, 6)[3].stake
    assert stake is not None
    make_key(stake)
    found = find_validator_key(stake.key_file)
    unlock_validator_key(found, read_secret(stake.password_file, "password"))
    assert stake.password_file.stat().st_mode & 0o777 == 0o600
    make_key(stake)
    assert find_validator_key(stake.key_file) == found


class Heads:
    """A node's heads, as the table asks for them."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.height = 0
        self.branch = 100
        self.down = False
        self.asked = 0

    def number(self, method: str) -> int:
        assert method == "eth_blockNumber"
        if self.down:
            raise RpcUnreachable("down")
        return self.height

    def call(self, method: str, count: int, newest: str) -> object:
        assert method == "mappemonde_heads"
        top = int(newest, 16)
        self.asked += count
        return [self._head(height) for height in range(top, max(top - count, -1), -1)]

    def _head(self, height: int) -> dict[str, object]:
        ticket = {"validatorKey": self.key} if height > 20 and height != self.branch else None
        return {"number": hex(height), "ticket": ticket, "handicap": 0}


def test_earnings_follow_the_chain_and_its_reorganisations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    six = plans(tmp_path, 6)
    for plan in six:
        if plan.stake is not None:
            make_key(plan.stake)
    assert six[2].stake is not None
    heads = Heads("0x" + find_validator_key(six[2].stake.key_file).public.hex())
    earnings = Earnings(six, PARAMS)
    monkeypatch.setattr(earnings, "_client", heads)
    assert earnings.of(six[0]) is None
    earnings.follow()
    assert earnings.of(six[2]) == Earned(0, Wei(0))
    heads.height = 90
    earnings.follow()
    assert earnings.of(six[2]) == Earned(70, Wei(sum(_minted(height) for height in range(21, 91))))
    heads.branch = 80  # a reorganisation put another block there, without a ticket
    earnings.follow()
    earned = earnings.of(six[2])
    assert earned is not None
    assert earned.won == 69
    assert earnings.of(six[3]) == Earned(0, Wei(0))
    heads.asked = 0
    earnings.follow()
    assert heads.asked == SETTLED_DEPTH, "what lies deep is not asked for again"
    heads.down = True
    earnings.follow()
    assert earnings.of(six[2]) == earned


def _minted(height: int) -> int:
    cap = PARAMS.open_handicap * min(height - PARAMS.stake_start, PARAMS.stake_ramp) // PARAMS.stake_ramp
    return 5 * PARAMS.subsidy * cap // (8 * PARAMS.open_handicap)
