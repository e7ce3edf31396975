"""The settings of a node: one frozen record, filled from a TOML file, the environment and flags, the later winning.

`NodeConfig` is the only place where a setting is described: `--help`, docs/operator.md and errors are made from it.
"""

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import TypeVar

from chain.primitives.errors import ConfigError

Default = TypeVar("Default")

ENVIRONMENT_PREFIX = "MAPPEMONDE_"
"""A setting `rpc_port` is read from `MAPPEMONDE_RPC_PORT`; lists are split at commas."""

COMMAND_VARIABLES = ("rpc", "wallet")
"""Names with the same prefix that are no settings of a node: where other commands find it, and the wallet."""

OBSOLETE: Mapping[str, str] = {}
"""Settings of earlier versions, each with what to write instead."""

MAX_CONFIG_BYTES = 64 * 1024
"""A configuration file longer than this is not one."""

NETWORKS = ("mainnet", "testnet", "devnet")
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")


def _setting(
    default: Default,
    text: str,
    *,
    unit: str = "",
    low: int | None = None,
    high: int | None = None,
    choices: tuple[str, ...] = (),
) -> Default:
    metadata = {"text": text, "unit": unit, "low": low, "high": high, "choices": choices}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True, slots=True)
class NodeConfig:
    """What the operator of a node may choose. None of it can make two nodes disagree on the chain."""

    network: str = _setting("mainnet", "Network to join.", choices=NETWORKS)
    datadir: str = _setting(
        "", "Directory of the database and the identity (default: one per network under the user's data)."
    )
    bootstrap: tuple[str, ...] = _setting(
        (), "Rendezvous of a node to meet first: ws://<id>@host:6369, or ws://host:6369 to trust any id. May repeat."
    )

    rendezvous_host: str = _setting("0.0.0.0", "Address on which newcomers may call; empty: none may.")
    rendezvous_port: int = _setting(
        6369, "Port of the rendezvous (WebSocket, tcp) and of STUN (udp).", low=0, high=65535
    )
    rendezvous_url: str = _setting(
        "", "Public URL of the rendezvous, told to neighbours as a way back in; empty: not told to anyone."
    )
    link_addresses: tuple[str, ...] = _setting(
        (),
        "Local IP addresses on which WebRTC links are made (default: all but loopback, at any time). May repeat.",
    )
    stun: str = _setting("", "host:port of a STUN server that tells this node its public address; empty: none.")
    reachability: str = _setting(
        "auto",
        "Who can open links to this node: public (everybody), punchable (not those behind a strict translator), hard "
        "(public nodes only); auto: public with a rendezvous_url or on a devnet, else as neighbours find it.",
        choices=("auto", "public", "punchable", "hard"),
    )
    trust_own_clock: bool = _setting(
        False, "Go by this machine's clock and mine without company: for the first nodes of a network."
    )

    operator: str = _setting(
        "", "Name of who runs this node, told as a number by which others see what fails together; empty: not told."
    )
    country: str = _setting(
        "", "Code of the country it stands in (two letters, ISO 3166-1), told as well; empty: not told."
    )
    tell_release: bool = _setting(True, "Tell which release it runs (major and minor number) as well.")

    map_hops: int = _setting(
        0,
        "Hops up to which peers stand on the map of a small device, with a sample of the others; 0: all.",
        low=0,
        high=8,
    )

    rpc_host: str = _setting("127.0.0.1", "Address of the JSON-RPC and its WebSocket (/ws); empty: no RPC.")
    rpc_port: int = _setting(8545, "Port of the JSON-RPC.", low=0, high=65535)
    rpc_hosts: tuple[str, ...] = _setting(
        (), "Host names accepted in the Host header besides localhost and IP addresses. May repeat."
    )
    rpc_cors: tuple[str, ...] = _setting((), "Origins of web pages that may call the RPC; * for all. May repeat.")
    metrics_host: str = _setting("127.0.0.1", "Address of the Prometheus metrics; empty: none.")
    metrics_hosts: tuple[str, ...] = _setting(
        (), "Host names by which the metrics are scraped besides localhost and IP addresses; * for all. May repeat."
    )
    metrics_port: int = _setting(9469, "Port of the metrics, at /metrics.", low=0, high=65535)

    mine: bool = _setting(False, "Hash for blocks; needs a reward address.")
    reward_address: str = _setting("", "Account that receives what this node mines, 0x and 40 hex digits.")
    mine_threads: int = _setting(0, "Hashing threads; 0: one less than the cores, at least one.", low=0, high=1024)
    mine_rate: int = _setting(0, "Most hashes a second for all threads together; 0: no limit.", unit="1/s", low=0)
    extra: str = _setting("", "Text of up to 32 bytes in the header of blocks this node mines.")

    stake_keys: tuple[str, ...] = _setting(
        (), "Encrypted validator key file (`mappemonde stake key`) to win tickets with. May repeat."
    )
    stake_password_file: str = _setting(
        "", "File whose first line unlocks the validator keys; empty: ask at the start."
    )
    stake_reward_address: str = _setting(
        "", "Account that tickets are rewarded to; empty: for each validator the account that deposited its stake."
    )

    pool_transactions: int = _setting(16_384, "Most transactions waiting in the mempool.", low=16, high=1_000_000)
    pool_bytes: int = _setting(32 << 20, "Most bytes of transactions waiting.", unit="bytes", low=1 << 20)
    min_tip: int = _setting(1_000_000, "Smallest tip per gas this node relays and mines.", unit="wei", low=0)

    log_level: str = _setting("info", "Least serious message that is logged.", choices=LOG_LEVELS)
    log_format: str = _setting("text", "Form of log lines.", choices=LOG_FORMATS)


SETTINGS: tuple[Field[object], ...] = fields(NodeConfig)


def is_list(setting: "Field[object]") -> bool:
    """Tell whether a setting may be given several times."""
    return isinstance(setting.default, tuple)


def load_config(
    file: Path | None, environment: Mapping[str, str], flags: Mapping[str, object], *, base: Mapping[str, object] = {}
) -> NodeConfig:
    """Return the settings of `base`, then the file, the environment and the flags, each over the one before.

    Raises `ConfigError`, naming the setting and where it came from, on an unknown or obsolete name, a wrong type or a
    value out of range.
    """
    values: dict[str, object] = dict(base)
    if file is not None:
        for name, value in _read_file(file).items():
            values[name] = _typed(name, value, f"in {file}")
    for variable, text in sorted(environment.items()):
        if variable.startswith(ENVIRONMENT_PREFIX):
            name = variable.removeprefix(ENVIRONMENT_PREFIX).lower()
            if name in COMMAND_VARIABLES:
                continue
            values[name] = _parsed(name, text, f"in the environment ({variable})")
    for name, value in flags.items():
        values[name] = _typed(name, value, f"given as --{name.replace('_', '-')}")
    return NodeConfig(**values)  # type: ignore[arg-type]  # every name and type was checked above


def _read_file(file: Path) -> dict[str, object]:
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_CONFIG_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read the configuration {file}: {error.strerror}") from None
    if len(raw) > MAX_CONFIG_BYTES:
        raise ConfigError(f"{file} has over {MAX_CONFIG_BYTES} bytes: not a configuration of this program")
    try:
        return tomllib.loads(raw.decode())
    except (ValueError, RecursionError) as error:  # of no UTF-8 and of numbers without end too
        raise ConfigError(f"{file} is not TOML: {error}") from None


def _setting_of(name: str, where: str) -> "Field[object]":
    for setting in SETTINGS:
        if setting.name == name:
            return setting
    if name in OBSOLETE:
        raise ConfigError(f"the setting {name} ({where}) is obsolete: {OBSOLETE[name]}")
    near = difflib.get_close_matches(name, [setting.name for setting in SETTINGS], n=1)
    hint = f"; did you mean {near[0]}?" if near else "; `mappemonde run --help` lists the settings"
    raise ConfigError(f"unknown setting {name} {where}{hint}")


def _parsed(name: str, text: str, where: str) -> object:
    """Turn the text of an environment variable into the setting's type."""
    default = _setting_of(name, where).default
    if isinstance(default, bool):
        if text.lower() not in ("1", "0", "true", "false", "yes", "no"):
            raise ConfigError(f"{name} {where} must be true or false, not {text!r}")
        return text.lower() in ("1", "true", "yes")
    if isinstance(default, int):
        try:
            return _typed(name, int(text), where)
        except ValueError:
            raise ConfigError(f"{name} {where} must be a whole number, not {text!r}") from None
    if isinstance(default, tuple):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return _typed(name, text, where)


def _typed(name: str, value: object, where: str) -> object:
    """Check type and range of a value and return it, lists as tuples."""
    setting = _setting_of(name, where)
    default, metadata = setting.default, setting.metadata
    if isinstance(default, tuple):
        if not isinstance(value, list | tuple) or not all(isinstance(part, str) for part in value):
            raise ConfigError(f"{name} {where} must be a list of texts, not {_quoted(value)}")
        return tuple(value)
    if type(value) is not type(default):
        kinds = {bool: "true or false", int: "a whole number", str: "a text"}
        raise ConfigError(f"{name} {where} must be {kinds[type(default)]}, not {_quoted(value)}")
    low, high, choices = metadata["low"], metadata["high"], metadata["choices"]
    if isinstance(value, int) and ((low is not None and value < low) or (high is not None and value > high)):
        raise ConfigError(
            f"{name} {where} must lie between {low} and {'any' if high is None else high}, not {_quoted(value)}"
        )
    if isinstance(value, str) and "\0" in value:
        raise ConfigError(f"{name} {where} must be a text without zero bytes")
    if choices and value not in choices:
        raise ConfigError(f"{name} {where} must be one of {', '.join(choices)}, not {_quoted(value)}")
    return value


def _quoted(value: object) -> str:
    """Return a value as an error shows it: numbers of thousands of digits cannot be written out."""
    if isinstance(value, int) and value.bit_length() > 256:
        return f"a number of {value.bit_length()} bits"
    return repr(value)[:200]


def render_table() -> str:
    """Return the settings as the Markdown table of docs/operator.md."""
    lines = ["| setting | default | unit | meaning |", "|---|---|---|---|"]
    for setting in SETTINGS:
        default = setting.default
        shown = {True: "true", False: "false"}.get(default) if isinstance(default, bool) else str(default)
        if isinstance(default, tuple):
            shown = "none"
        text = setting.metadata["text"] + (
            f" One of {', '.join(setting.metadata['choices'])}." if setting.metadata["choices"] else ""
        )
        lines.append(f"| `{setting.name}` | {shown or 'empty'} | {setting.metadata['unit']} | {text} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(render_table(), end="")  # noqa: T201  # how docs/operator.md is brought up to date
