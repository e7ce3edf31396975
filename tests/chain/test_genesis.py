"""Genesis documents: the three networks, and every fault by the field's name."""

import re
import tomllib
from copy import deepcopy
from datetime import UTC, datetime
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import pytest
from eth_account import Account

from chain.block import decode_header, encode_header, header_id
from chain.fees import handicap_cap, next_base_fee
from chain.genesis import NETWORKS, load_genesis, parse_genesis
from chain.primitives.errors import ConfigError
from chain.primitives.units import COIN, GWEI, Address
from chain.staking_registry import SYSTEM_ADDRESS, Registry
from chain.staking_snapshot import snapshot
from chain.state import State
from tests.helpers.chain_builder import MemoryNodes
from tests.helpers.transactions import DEVNET_KEYS, address_of_key

Document: TypeAlias = dict[str, dict[str, object]]

MNEMONIC = "test test test test test test test test test test test junk"

IDS = {
    "mainnet": "94db367eaabc13526dd82cb41c7a3958b1ed285e87e09dafd794255382993bc6",
    "testnet": "712373918374046a57837244c8010b8644af4af7aaec499d0efb6d2c67ba52cf",
    "devnet": "426715f50b37f2a61aafa65f786fb8f45f2d077ad405e838bbb67cb3b27e7c01",
}
"""Network ids: a change here is another network, and must be meant."""


def _document(name: str = "devnet") -> Document:
    return tomllib.loads((resources.files("genesis") / f"{name}.toml").read_text())


def _fields() -> list[tuple[str, str]]:
    return [(section, name) for section, names in _document().items() if section != "allocations" for name in names]


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_are_what_they_were(name: str) -> None:
    genesis = load_genesis(name)
    assert genesis.params.name == name
    assert genesis.params.network_id.hex() == IDS[name]
    assert genesis.header.parent_id == genesis.params.network_id
    assert genesis.chained.id == header_id(genesis.header)
    assert decode_header(encode_header(genesis.header)) == genesis.header
    assert (genesis.chained.time, genesis.chained.work) == (genesis.params.genesis_time, 0)
    assert next_base_fee(genesis.header, genesis.params) == GWEI
    assert handicap_cap(0, genesis.params) == 0
    state = State(MemoryNodes(genesis.trie_nodes), genesis.header.state_root)
    found = snapshot(state)
    assert (found.total, found.commitment) == (0, genesis.header.stakes)
    assert found.issued == sum(genesis.allocations.values())


def test_chain_ids_and_peer_id_work_are_those_of_the_design() -> None:
    found = {name: (load_genesis(name).params.chain_id, load_genesis(name).params.id_difficulty) for name in NETWORKS}
    assert found == {"mainnet": (1569, 2**18), "testnet": (15690, 2**10), "devnet": (156900, 2**4)}


def test_mainnet_and_testnet_have_no_premine_and_the_same_rules() -> None:
    main, test = _document("mainnet"), _document("testnet")
    assert main["allocations"] == test["allocations"] == {}
    assert {key: value for key, value in main.items() if key != "network"} == {
        key: value for key, value in test.items() if key != "network"
    }


def test_devnet_runs_ten_times_as_fast() -> None:
    main, dev = load_genesis("mainnet").params, load_genesis("devnet").params
    for name in ("block_time", "min_interval", "tau", "schedule_half_life", "max_counted_interval", "gap"):
        assert getattr(main, name) == 10 * getattr(dev, name)
    assert (main.open_handicap, dev.open_handicap) == (30_000, 3_000)
    assert (dev.epoch_length, dev.stake_start, dev.stake_ramp, dev.unbonding_blocks) == (5, 15, 10, 20)
    assert dev.min_stake == COIN
    assert dev.genesis_log_target == int((256 - 7.906890595608519 - 0.83) * 65536)


def test_devnet_prefunds_the_usual_mnemonic() -> None:
    Account.enable_unaudited_hdwallet_features()
    accounts = [Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{number}") for number in range(10)]
    addresses = [Address(bytes.fromhex(account.address[2:])) for account in accounts]
    assert load_genesis("devnet").allocations == dict.fromkeys(addresses, 10_000 * COIN)
    assert [address_of_key(key) for key in DEVNET_KEYS] == addresses[:3]


def test_devnet_state_holds_the_balances_and_the_staking_account() -> None:
    genesis = load_genesis("devnet")
    state = State(MemoryNodes(genesis.trie_nodes), genesis.header.state_root)
    for address, amount in genesis.allocations.items():
        assert state.balance(address) == amount
    assert Registry(state).issued == 100_000 * COIN
    assert state.nonce(SYSTEM_ADDRESS) == 1


def test_every_field_stands_behind_a_comment() -> None:
    for name in NETWORKS:
        lines = (resources.files("genesis") / f"{name}.toml").read_text().splitlines()
        for before, line in pairwise(lines):
            if re.match(r"[a-z_]+ = ", line):
                assert before.startswith("# "), line


@pytest.mark.parametrize(("section", "name"), _fields())
def test_a_missing_field_is_named(section: str, name: str) -> None:
    document = _document()
    del document[section][name]
    with pytest.raises(ConfigError, match=rf"field {section}\.{name} is missing"):
        parse_genesis(document, "test")


@pytest.mark.parametrize(("section", "name"), _fields())
@pytest.mark.parametrize("value", [-1, 1.5, True, None, [], "nonsense!", 2**70])
def test_a_value_out_of_range_is_named(section: str, name: str, value: object) -> None:
    document = _document()
    document[section][name] = value
    with pytest.raises(ConfigError, match=rf"{section}\.{name}"):
        parse_genesis(document, "test")


@pytest.mark.parametrize(("section", "name"), _fields())
def test_every_field_is_part_of_the_network_id(section: str, name: str) -> None:
    document = _document()
    value = document[section][name]
    changed: dict[str, object] = {
        "name": "othernet",
        "genesis_time": _document("mainnet")["network"]["genesis_time"],
        "extra": "0x01",
        "initial_base_fee": "2 gwei",
        "subsidy": "51 MND",
        "min_stake": "2 MND",
        "epoch_length": 4,
    }
    if name in changed:
        document[section][name] = changed[name]
    else:
        assert isinstance(value, int)
        document[section][name] = value + 1
    other = parse_genesis(document, "test")
    assert other.params.network_id.hex() != IDS["devnet"]
    assert other.chained.id != load_genesis("devnet").chained.id


def test_allocations_are_part_of_the_network_id_whatever_their_order() -> None:
    document = _document()
    document["allocations"] = dict(reversed(document["allocations"].items()))
    assert parse_genesis(document, "test").params.network_id.hex() == IDS["devnet"]
    address = next(iter(document["allocations"]))
    document["allocations"][address] = "10001 MND"
    assert parse_genesis(document, "test").params.network_id.hex() != IDS["devnet"]


def _with(section: str, name: str, value: object) -> Document:
    document = deepcopy(_document())
    document.setdefault(section, {})[name] = value
    return document


_ISSUES_TOO_MUCH = _with("issue", "subsidy", "100000000000000 MND")
_ISSUES_TOO_MUCH["issue"]["halving_interval"] = 1 << 40  # each alone is in range


@pytest.mark.parametrize(
    ("message", "document"),
    [
        (r"unknown field stake\.slashing", _with("stake", "slashing", 1)),
        (r"unknown section \[forks\]", _with("forks", "berlin", 1)),
        (r"allocations\.0x12", _with("allocations", "0x12", "1 MND")),
        (r"allocations\.0x", _with("allocations", "0x" + SYSTEM_ADDRESS.hex(), "1 MND")),
        (r"allocations\.bob", _with("allocations", "bob", "1 MND")),
        (r"allocations\.0x", _with("allocations", "0x" + "11" * 20, "0 MND")),
        (r"allocations\.0x", _with("allocations", "0x" + "11" * 20, "1 coin")),
        (r"allocations come to", _with("allocations", "0x" + "11" * 20, "1329227995784900000 MND")),
        (r"network\.extra", _with("network", "extra", "0x1 1")),
        (r"network\.extra", _with("network", "extra", "0x1")),
        (
            r"genesis_time must be a whole",
            _with("network", "genesis_time", datetime(2027, 1, 1, 0, 0, 0, 1, tzinfo=UTC)),
        ),
        (r"genesis_time must be a time", _with("network", "genesis_time", datetime(2027, 1, 1))),  # noqa: DTZ001
        (r"network\.extra", _with("network", "extra", "0x" + "00" * 33)),
        (r"stake\.unbonding_blocks is under", _with("stake", "unbonding_blocks", 19)),
        (r"ripening\.min_interval is over", _with("ripening", "min_interval", 12_001)),
        (r"ripening\.max_counted_interval is under", _with("ripening", "max_counted_interval", 11_999)),
        (r"ripening\.gap is under", _with("ripening", "gap", 5_999)),
        (r"blocks\.gas_limit lets over 65535", _with("blocks", "gas_limit", 65_536 * 21_000)),
        (r"issue\.subsidy and issue\.halving_interval", _ISSUES_TOO_MUCH),
        (r"section \[allocations\] is missing", {k: v for k, v in _document().items() if k != "allocations"}),
        (r"section \[issue\] is missing", {k: v for k, v in _document().items() if k != "issue"}),
    ],
)
def test_faults_are_named(message: str, document: Document) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_genesis(document, "test")


def test_a_document_can_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text((resources.files("genesis") / "devnet.toml").read_text() + "# a comment changes nothing\n")
    assert load_genesis(path) == load_genesis("devnet")
    for content in (b"\xff", b"= 1", b"[" * 5000, b"x = " + b"9" * 5000):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match=r"own\.toml"):
            load_genesis(str(path))
    path.write_bytes(bytes(1 << 21))
    with pytest.raises(ConfigError, match="longer"):
        load_genesis(path)
    with pytest.raises(ConfigError, match="neither mainnet, testnet, devnet nor a readable file"):
        load_genesis(tmp_path / "nothing.toml")
