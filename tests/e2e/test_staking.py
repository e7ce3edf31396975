"""Proof of stake on a network of processes: a deposit by web3.py, tickets, rewards to the wei, a withdrawal."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account
from web3 import Web3
from web3.contract import Contract
from web3.types import TxParams, TxReceipt, Wei

from chain.genesis import load_genesis
from chain.primitives.units import Address
from chain.staking_abi import staking_abi
from chain.staking_registry import SYSTEM_ADDRESS
from cli.staking.keys import find_validator_key, prove_possession, unlock_validator_key
from tests.helpers.processes import NodeProcess, command, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(700)]

PARAMS = load_genesis("devnet").params
MNEMONIC = "test test test test test test test test test test test junk"
MINERS = ("0x23618e81E3f5cdF7f54C3d65f7FBc0aBf5B21E8f", "0xa0Ee7A142d267C1f36714E4a8F75612F20a79720")
REWARDED = Web3.to_checksum_address("0x" + "5eed" * 10)
RATE = ("--mine-threads", "1", "--mine-rate", "10")
COIN = 10**18
STAKE = 9_000 * COIN + 7
PASSWORD = "correct horse battery staple"
ACTIVE_EPOCHS = 3
Account.enable_unaudited_hdwallet_features()
PAYER, STAKER, LEAVER = (Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{index}") for index in range(3))


class Staking:
    """Two miners and a node that stakes."""

    def __init__(self, root: Path) -> None:
        self.password_file = root / "password"
        self.password_file.write_text(PASSWORD + "\n")
        self.mnemonic_file = root / "mnemonic"
        self.mnemonic_file.write_text(MNEMONIC)
        self.wallet = root / "wallet"
        self.keys = [self._make_key(root / f"validator-{index}.json") for index in range(2)]
        miners = [("--mine", "--reward-address", account, *RATE) for account in MINERS]
        first = NodeProcess(root / "node-0", "--trust-own-clock", *miners[0])
        join = ("--bootstrap", first.bootstrap_url)
        stakes: tuple[str, ...] = ("--stake-key", str(self.keys[0]), "--stake-password-file", str(self.password_file))
        stakes += ("--stake-reward-address", REWARDED)
        self.nodes = [
            first,
            NodeProcess(root / "node-1", *join, *miners[1]),
            NodeProcess(root / "node-2", *join, *stakes),
        ]

    def _make_key(self, file: Path) -> Path:
        done = command("stake", "key", "new", str(file), "--password-file", str(self.password_file), "--json")
        assert done.returncode == 0, done.stderr
        return file

    def contract(self, node: int) -> tuple[Web3, type[Contract] | Contract]:
        """Return web3.py's contract of the staking account, by the ABI that the package ships."""
        w3 = Web3(Web3.HTTPProvider(self.nodes[node].rpc.url))
        return w3, w3.eth.contract(address=Web3.to_checksum_address(SYSTEM_ADDRESS.hex()), abi=staking_abi())

    def call(self, node: int, account: object, function: str, *arguments: object, value: int = 0) -> TxReceipt:
        """Send a call of the staking account by web3.py and return its receipt."""
        w3, contract = self.contract(node)
        address = account.address  # type: ignore[attr-defined]  # eth-account's LocalAccount
        nonce = w3.eth.get_transaction_count(address, "pending")
        fields: TxParams = {"from": address, "nonce": nonce, "value": Wei(value), "chainId": PARAMS.chain_id}
        tx = contract.functions[function](*arguments).build_transaction(fields)
        signed = account.sign_transaction(tx)  # type: ignore[attr-defined]
        receipt = w3.eth.wait_for_transaction_receipt(w3.eth.send_raw_transaction(signed.raw_transaction), timeout=120)
        assert receipt["status"] == 1
        return receipt

    def deposit(self, node: int, account: object, key_file: Path, value: int) -> TxReceipt:
        """Deposit with the proof of possession."""
        found = find_validator_key(key_file)
        key = unlock_validator_key(found, PASSWORD)
        owner = Address(bytes.fromhex(account.address[2:]))  # type: ignore[attr-defined]
        proof = prove_possession(key, PARAMS.chain_id, owner)
        return self.call(node, account, "deposit", found.public, proof, value=value)

    def balance(self, address: str, height: int) -> int:
        """Return a balance after a block, by the staking node."""
        return int(str(self.nodes[2].ask("eth_getBalance", address, hex(height))), 16)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Staking]:
    """Run the network for all tests of this file."""
    network = Staking(tmp_path_factory.mktemp("staking"))
    try:
        for node in network.nodes:
            node.start()
        yield network
    finally:
        codes = [node.stop() for node in network.nodes if node.running()]
        assert codes == [0] * len(codes), "nodes stop cleanly"


def test_a_stake_from_deposit_to_withdrawal(network: Staking) -> None:
    """Must show 1 and 2 of proof of stake, on one chain."""
    wait_for("the first block", lambda: network.nodes[2].height() >= 1, 90)
    deposited = network.deposit(0, STAKER, network.keys[0], STAKE)["blockNumber"]
    _leaves_again(network)
    active_from = (PARAMS.epoch(deposited) + ACTIVE_EPOCHS) * PARAMS.epoch_length
    _becomes_active_after_the_stated_epochs(network, deposited, active_from)
    _pays_while_tickets_come(network, active_from)
    _is_paid_by_rule_nine(network)


def _leaves_again(network: Staking) -> None:
    """Another owner stakes and asks for all of it back at once; `test_withdrawal` has it paid out."""
    network.deposit(1, LEAVER, network.keys[1], 3 * COIN + 1)
    receipt = network.call(1, LEAVER, "requestWithdrawal", 3 * COIN + 1)
    _, contract = network.contract(1)
    holding = contract.functions.holdingOf(LEAVER.address).call()
    assert holding[1:3] == [0, 3 * COIN + 1]
    assert holding[4] == receipt["blockNumber"] + PARAMS.unbonding_blocks


def _becomes_active_after_the_stated_epochs(network: Staking, deposited: int, active_from: int) -> None:
    done = command("stake", "status", STAKER.address, "--json", "--rpc", network.nodes[1].rpc.url)
    (stake,) = json.loads(done.stdout)["stakes"]
    assert (stake["stakeWei"], stake["countsFromBlock"]) == (str(STAKE), active_from)
    assert stake["validatorKey"] == "0x" + find_validator_key(network.keys[0]).public.hex()

    def active_stake() -> tuple[int, int]:
        page = network.nodes[2].rpc.record("mappemonde_validators")
        (mine,) = [entry for entry in page["validators"] if entry["owner"] == STAKER.address.lower()]  # type: ignore[attr-defined]
        return int(str(page["number"]), 16) + 1, int(mine["activeStake"], 16)

    height, active = active_stake()
    while height < active_from:
        assert active == 0, f"block {height} comes before {active_from}"
        known = height
        wait_for("a block", lambda: network.nodes[2].height() >= known, 60)  # noqa: B023  # called before it changes
        height, active = active_stake()
    assert active == STAKE
    assert deposited < active_from - 2 * PARAMS.epoch_length


def _pays_while_tickets_come(network: Staking, active_from: int) -> None:
    """Payments with tips, by the wallet command, so that tickets get a share of tips."""
    secret = ("--wallet", str(network.wallet), "--password-file", str(network.password_file))
    done = command("wallet", "import", "--mnemonic-file", str(network.mnemonic_file), *secret)
    assert done.returncode == 0, done.stderr
    first = max(active_from, PARAMS.stake_start + 1)
    wait_for("the ramp begins", lambda: network.nodes[0].height() >= first, 240)
    for amount in ("1.000000000000000001", "2.5"):
        done = command(
            *("wallet", "send", "0x" + "c0ffee" * 6 + "beef", amount, "--yes", "--json", "--tip", "7"),
            *("--rpc", network.nodes[1].rpc.url, "--network", "devnet", *secret),
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["mined"]
    wait_for("more tickets", lambda: network.nodes[0].height() >= first + 6, 120)


def _is_paid_by_rule_nine(network: Staking) -> None:
    """Recompute every reward from the blocks: what the reward address holds is just that, and comes block by block."""
    node, key = network.nodes[2], "0x" + find_validator_key(network.keys[0]).public.hex()
    height = node.height()
    heads = node.ask("mappemonde_heads", height, hex(height))
    assert isinstance(heads, list)
    earned = with_tips = 0
    tickets = [head for head in heads if head["ticket"] is not None]
    assert len(tickets) >= 4
    assert len(tickets) < len(heads), "blocks without a ticket are there too"
    for head in reversed(heads):
        number = int(head["number"], 16)
        if number == 0:
            continue
        before = earned
        if head["ticket"] is not None:
            assert head["ticket"]["validatorKey"] == key
            assert head["ticket"]["rewardAddress"] == REWARDED.lower()
            subsidy = 50 * COIN
            ramp = min(max(number - PARAMS.stake_start, 0), PARAMS.stake_ramp)
            cap = PARAMS.open_handicap * ramp // PARAMS.stake_ramp
            reward = 5 * subsidy * (cap - head["handicap"]) // (8 * PARAMS.open_handicap)
            tips = _tips(node, number)
            with_tips += tips > 0
            earned += reward + tips * reward // (subsidy + reward)
        assert network.balance(REWARDED, number) == earned, f"after block {number}, {before} before"
    assert with_tips, "a block with a ticket had tips to share"


def _tips(node: NodeProcess, number: int) -> int:
    block = node.rpc.record("eth_getBlockByNumber", hex(number), False)
    receipts = node.ask("eth_getBlockReceipts", hex(number))
    assert isinstance(receipts, list)
    base_fee = int(str(block["baseFeePerGas"]), 16)
    return sum(int(entry["gasUsed"], 16) * (int(entry["effectiveGasPrice"], 16) - base_fee) for entry in receipts)


def test_withdrawal_returns_the_stake_to_the_wei(network: Staking) -> None:
    """What was asked for comes back whole once the wait is over, and not before."""
    _, contract = network.contract(1)
    release = contract.functions.holdingOf(LEAVER.address).call()[4] or network.nodes[1].height()
    wait_for("the release", lambda: network.nodes[1].height() >= release - 1, 300)
    receipt = network.call(1, LEAVER, "withdraw")
    number = receipt["blockNumber"]
    fee = receipt["gasUsed"] * receipt["effectiveGasPrice"]
    wait_for("the block arrives", lambda: network.nodes[2].height() >= number, 30)
    paid = network.balance(LEAVER.address, number) - network.balance(LEAVER.address, number - 1)
    assert paid == 3 * COIN + 1 - fee
    assert contract.functions.holdingOf(LEAVER.address).call() == [b"", 0, 0, 0, 0]
    assert contract.functions.totalStake().call() == STAKE


def test_all_agree_and_the_supply_is_exact(network: Staking) -> None:
    """Every node has the same chain, and every node's chain adds up."""
    common = min(node.height() for node in network.nodes) - 1
    assert len({node.block_hash(common) for node in network.nodes}) == 1
    for node in network.nodes:
        done = command("supply", "--json", "--rpc", node.rpc.url)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["exact"]
        assert int(found["ticketRewardsWei"]) > 0
        assert int(found["burntWei"]) > 0
        assert int(found["issuedWei"]) == sum(
            int(found[f"{part}Wei"]) for part in ("premine", "subsidies", "ticketRewards")
        )
        assert int(found["balancesWei"]) == int(found["issuedWei"]) - int(found["burntWei"])


def test_no_secret_is_ever_logged(network: Staking) -> None:
    """Neither keys nor passwords stand in any log."""
    secrets = [PASSWORD, MNEMONIC, "junk"]
    for file in network.keys:
        secrets.append(unlock_validator_key(find_validator_key(file), PASSWORD).secret.hex())
    for node in network.nodes:
        text = node.log.read_text()
        assert text
        assert not [secret for secret in secrets if secret in text]
