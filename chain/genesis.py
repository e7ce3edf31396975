"""Genesis documents: read, checked field by field, and turned into parameters and block 0.

A document is TOML in `genesis/`, or a file of the operator's own. Its canonical form is a msgpack array, so that
comments, order and spelling of numbers do not matter; the network id is the blake2b-256 of that.
"""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import TypeVar

from chain.block import EXTRA_MAX, HEADER_VERSION, NONCE_BYTES, ChainedHeader, Header, SealedHeader, header_id
from chain.params import ChainParams
from chain.primitives.canonical import integer_bytes, pack
from chain.primitives.errors import ConfigError
from chain.primitives.hashing import blake2b_256
from chain.primitives.units import (
    COIN,
    GWEI,
    ZERO_ADDRESS,
    ZERO_HASH,
    Address,
    Gas,
    Hash32,
    LogTarget,
    Millis,
    Wei,
)
from chain.staking import system_account
from chain.staking_registry import SYSTEM_ADDRESS, Registry
from chain.staking_snapshot import snapshot
from chain.state import NO_ACCOUNT, State
from chain.transaction import TX_GAS
from chain.trie_nodes import EMPTY_ROOT

NETWORKS = ("mainnet", "testnet", "devnet")

MAX_DOCUMENT_BYTES = 1 << 20
"""Longest document read: some ten thousand allocations."""

_FORMAT = "mappemonde/genesis/1"
_NO_SEAL = (1 << 256) - 1
"""The worst hash there is: what block 0, which nobody mined, claims."""
_TOTAL_MAX = 1 << 120
"""Allocations stay far below what a stake's 128 bits hold, with room for all that is ever issued."""
_ISSUED_MAX = 1 << 127
"""All that is ever issued stays below, whoever stakes it: at most (1 + 5/8) S(1) a block, and as much as two halving
intervals of S(1) in all."""
_TRANSACTIONS_MAX = (1 << 16) - 1
"""What the array of a body counts in `execution.BODY_HEAD_BYTES`, and within `receipt.MAX_RECEIPTS`: with more, a
template would be longer than it counts, and be refused."""

_HEXADECIMAL = re.compile(r"0x([0-9a-fA-F]{2})*")
_UNITS = {"wei": Wei(1), "gwei": GWEI, "MND": COIN}

_Parsed = int | bytes | str


@dataclass(frozen=True, slots=True)
class Genesis:
    """A network's beginning."""

    params: ChainParams
    allocations: Mapping[Address, Wei]
    """Balances at block 0."""
    header: Header
    chained: ChainedHeader
    """Block 0 in its place: no work, no schedule error, its time the genesis time."""
    trie_nodes: Mapping[Hash32, bytes]
    """State of block 0."""


class _NoNodes:
    def trie_node(self, node_hash: Hash32) -> bytes | None:
        """Return None: block 0 builds on nothing."""
        return None


def _integer(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"must be an integer from {least} to {most}")
    return value


def _between(least: int, most: int) -> Callable[[object], _Parsed]:
    return lambda value: _integer(value, least, most)


def _amount(value: object) -> Wei:
    """Return the wei of a text such as "100 MND", "1 gwei" or "5 wei"."""
    number, _, unit = value.partition(" ") if isinstance(value, str) else ("", "", "")
    if not (number.isascii() and number.isdigit() and len(number) <= 40 and unit in _UNITS):
        raise ValueError('must be a text such as "100 MND", "1 gwei" or "5 wei"')
    return Wei(int(number) * _UNITS[unit])


def _positive_amount(value: object) -> Wei:
    amount = _amount(value)
    if not 0 < amount < _TOTAL_MAX:
        raise ValueError("must be over zero and below 2^120 wei")
    return amount


def _moment(value: object) -> int:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("must be a time with its zone, such as 2027-06-01T12:00:00Z")
    if value.microsecond % 1000:
        raise ValueError("must be a whole number of milliseconds")
    since = value - datetime(1970, 1, 1, tzinfo=UTC)
    return _integer((since.days * 86400 + since.seconds) * 1000 + since.microseconds // 1000, 0, (1 << 53) - 1)


def _hexadecimal(value: object) -> bytes:
    if not isinstance(value, str) or not _HEXADECIMAL.fullmatch(value):
        raise ValueError("must be whole bytes in hexadecimal behind 0x")
    raw = bytes.fromhex(value[2:])
    if len(raw) > EXTRA_MAX:
        raise ValueError(f"must have at most {EXTRA_MAX} bytes")
    return raw


def _name(value: object) -> str:
    if not isinstance(value, str) or not (value.isascii() and value.isalnum() and len(value) <= 32):
        raise ValueError("must be a name of up to 32 letters and digits")
    return value


_MILLIS = _between(1, 1 << 40)
_COUNT = _between(1, 1 << 40)
_BITS = _between(0, 256)

_FIELDS: dict[str, dict[str, Callable[[object], _Parsed]]] = {
    "network": {
        "name": _name,
        "chain_id": _between(1, (1 << 53) // 2 - 36),  # v of a legacy transaction stays exact in JSON
        "genesis_time": _moment,
        "extra": _hexadecimal,
        "id_difficulty": _between(1, 1 << 40),
    },
    "ripening": {
        "block_time": _MILLIS,
        "min_interval": _MILLIS,
        "tau": _MILLIS,
        "schedule_half_life": _MILLIS,
        "max_counted_interval": _MILLIS,
        "gap": _MILLIS,
        "seal_floor": _BITS,
        "work_cap": _BITS,
        "genesis_log_target": _between(16 << 16, 256 << 16),
        "pow_memory_kib": _between(8, 1 << 22),
    },
    "stake": {
        "open_handicap": _between(1, (1 << 32) - 1),
        "ticket_unit": _MILLIS,
        "floor_div": _COUNT,
        "epoch_length": _COUNT,
        "stake_start": _between(0, 1 << 40),
        "stake_ramp": _COUNT,
        "min_stake": _positive_amount,
        "unbonding_blocks": _COUNT,
    },
    "blocks": {
        "gas_limit": _between(21_000, 1 << 40),
        "max_body_bytes": _between(1 << 10, 1 << 24),
        "initial_base_fee": _positive_amount,
        "base_fee_elasticity": _between(1, 1 << 10),
        "base_fee_denominator": _between(1, 1 << 20),
    },
    "issue": {"subsidy": _positive_amount, "halving_interval": _COUNT},
}
"""Every field of a document but the allocations: section, name, and what checks it."""


def load_genesis(source: str | Path) -> Genesis:
    """Return the genesis of a known network, or of the document at a path.

    Raises `ConfigError` that names the field when one is unknown, missing or out of range.
    """
    where = str(source)
    try:
        if where in NETWORKS:
            text = (resources.files("genesis") / f"{where}.toml").read_text(encoding="utf-8")
        else:
            with Path(source).open("rb") as file:
                raw = file.read(MAX_DOCUMENT_BYTES + 1)
            if len(raw) > MAX_DOCUMENT_BYTES:
                raise ConfigError(f"genesis {where}: longer than {MAX_DOCUMENT_BYTES} bytes")
            text = raw.decode("utf-8")
    except OSError as error:
        names = ", ".join(NETWORKS)
        raise ConfigError(f"genesis {where}: neither {names} nor a readable file ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"genesis {where}: not a text in UTF-8") from None
    try:
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"genesis {where}: not TOML: {error}") from None
    return parse_genesis(document, where)


def parse_genesis(document: Mapping[str, object], where: str) -> Genesis:
    """Return the genesis of a document that has been read from `where`. Raises `ConfigError`."""
    sections = dict(document)
    allocations = _allocations(sections.pop("allocations", None), where)
    values: dict[str, _Parsed] = {}
    for section, fields in _FIELDS.items():
        values.update(_section(sections.pop(section, None), section, fields, where))
    for unknown in sorted(sections):
        raise ConfigError(f"genesis {where}: unknown section [{unknown}]")
    params = _params(values, _network_id(values, allocations))
    _check_together(params, where)
    return _build(params, allocations, _of(values, "extra", bytes))


def _section(
    given: object, section: str, fields: Mapping[str, Callable[[object], _Parsed]], where: str
) -> dict[str, _Parsed]:
    if not isinstance(given, dict):
        raise ConfigError(f"genesis {where}: section [{section}] is missing")
    for name in sorted(set(given) - set(fields)):
        raise ConfigError(f"genesis {where}: unknown field {section}.{name}")
    values: dict[str, _Parsed] = {}
    for name, check in fields.items():
        if name not in given:
            raise ConfigError(f"genesis {where}: field {section}.{name} is missing")
        try:
            values[name] = check(given[name])
        except ValueError as error:
            raise ConfigError(f"genesis {where}: {section}.{name} {error}") from None
    return values


def _allocations(given: object, where: str) -> dict[Address, Wei]:
    if not isinstance(given, dict):
        raise ConfigError(f"genesis {where}: section [allocations] is missing")
    balances: dict[Address, Wei] = {}
    for text, amount in given.items():
        try:
            address = Address(_hexadecimal(text))
            if len(address) != 20 or address in balances or address == SYSTEM_ADDRESS:
                raise ValueError("must be an account's address, given once")
            balances[address] = _positive_amount(amount)
        except ValueError as error:
            raise ConfigError(f"genesis {where}: allocations.{text} {error}") from None
    if sum(balances.values()) >= _TOTAL_MAX:
        raise ConfigError(f"genesis {where}: allocations come to 2^120 wei or more")
    return balances


def _network_id(values: Mapping[str, _Parsed], allocations: Mapping[Address, Wei]) -> Hash32:
    """Return blake2b-256 of the canonical document: numbers as minimal bytes, so that none is too long for msgpack."""
    fields = [
        [section, name, integer_bytes(value) if isinstance(value, int) else value]
        for section, names in _FIELDS.items()
        for name, value in ((name, values[name]) for name in names)
    ]
    balances = [[address, integer_bytes(amount)] for address, amount in sorted(allocations.items())]
    return blake2b_256(pack([_FORMAT, fields, balances]))


_T = TypeVar("_T", int, bytes, str)


def _of(values: Mapping[str, _Parsed], name: str, kind: type[_T]) -> _T:
    value = values[name]
    assert isinstance(value, kind), "the field's check gives its type"
    return value


def _params(values: Mapping[str, _Parsed], network_id: Hash32) -> ChainParams:
    def number(name: str) -> int:
        return _of(values, name, int)

    return ChainParams(
        name=_of(values, "name", str),
        chain_id=number("chain_id"),
        network_id=network_id,
        genesis_time=Millis(number("genesis_time")),
        id_difficulty=number("id_difficulty"),
        block_time=Millis(number("block_time")),
        min_interval=Millis(number("min_interval")),
        tau=Millis(number("tau")),
        schedule_half_life=Millis(number("schedule_half_life")),
        max_counted_interval=Millis(number("max_counted_interval")),
        gap=Millis(number("gap")),
        open_handicap=Millis(number("open_handicap")),
        ticket_unit=Millis(number("ticket_unit")),
        floor_div=number("floor_div"),
        epoch_length=number("epoch_length"),
        stake_start=number("stake_start"),
        stake_ramp=number("stake_ramp"),
        seal_floor=number("seal_floor"),
        work_cap=number("work_cap"),
        genesis_log_target=LogTarget(number("genesis_log_target")),
        pow_memory_kib=number("pow_memory_kib"),
        gas_limit=Gas(number("gas_limit")),
        max_body_bytes=number("max_body_bytes"),
        initial_base_fee=Wei(number("initial_base_fee")),
        base_fee_elasticity=number("base_fee_elasticity"),
        base_fee_denominator=number("base_fee_denominator"),
        subsidy=Wei(number("subsidy")),
        halving_interval=number("halving_interval"),
        min_stake=Wei(number("min_stake")),
        unbonding_blocks=number("unbonding_blocks"),
    )


def _check_together(params: ChainParams, where: str) -> None:
    """Check what fields owe each other."""
    wrong = None
    if params.min_interval > params.block_time:
        wrong = "ripening.min_interval is over ripening.block_time"
    elif params.max_counted_interval < params.block_time:
        wrong = "ripening.max_counted_interval is under ripening.block_time"
    elif params.unbonding_blocks < 4 * params.epoch_length:
        wrong = "stake.unbonding_blocks is under 4 stake.epoch_length: a stake would count after it was paid back"
    elif params.gap < params.min_interval:
        wrong = "ripening.gap is under ripening.min_interval: a stamped block would be ripe before any other"
    elif params.gas_limit < params.base_fee_elasticity:
        wrong = "blocks.gas_limit is under blocks.base_fee_elasticity"
    elif params.gas_limit // TX_GAS > _TRANSACTIONS_MAX:
        wrong = f"blocks.gas_limit lets over {_TRANSACTIONS_MAX} transactions into a block"
    elif 4 * params.subsidy * params.halving_interval >= _ISSUED_MAX:
        wrong = "issue.subsidy and issue.halving_interval issue 2^127 wei or more: a stake would pass its 128 bits"
    if wrong is not None:
        raise ConfigError(f"genesis {where}: {wrong}")


def _build(params: ChainParams, allocations: Mapping[Address, Wei], extra: bytes) -> Genesis:
    state = State(_NoNodes(), EMPTY_ROOT)
    for address, amount in allocations.items():
        state.set_balance(address, amount)
    assert state.account(SYSTEM_ADDRESS) == NO_ACCOUNT
    state.set_account(SYSTEM_ADDRESS, system_account(Wei(0)))
    Registry(state).add_issued(Wei(sum(allocations.values())))
    stakes = snapshot(state).commitment
    state_root, nodes = state.commit()
    header = Header(
        version=HEADER_VERSION,
        height=0,
        parent_id=params.network_id,  # so the id of block 0 commits to every parameter
        parent_time=Millis(0),
        parent_err=0,
        mined_at=params.genesis_time,  # rule 5: the time of a block that states when it was mined
        miner=ZERO_ADDRESS,
        state_root=state_root,
        transactions_root=EMPTY_ROOT,
        receipts_root=EMPTY_ROOT,
        gas_used=Gas(0),
        base_fee=params.initial_base_fee,
        extra=extra,
        ticket_commitment=ZERO_HASH,
        handicap=Millis(0),
        mix=ZERO_HASH,
        stakes=stakes,
        nonce=bytes(NONCE_BYTES),
    )
    chained = ChainedHeader(
        sealed=SealedHeader(header, _NO_SEAL, None),
        id=header_id(header),
        time=params.genesis_time,
        err=0,
        log_target=params.genesis_log_target,
        work=0,
        total_work=0,
    )
    return Genesis(params, allocations, header, chained, nodes)
