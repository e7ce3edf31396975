"""Settings come from file, environment and flags, and every mistake is named."""

from pathlib import Path

import pytest

from chain.primitives.errors import ConfigError
from cli.config import MAX_CONFIG_BYTES, SETTINGS, NodeConfig, load_config, render_table


def test_the_later_source_wins(tmp_path: Path) -> None:
    """Flags beat the environment, which beats the file, which beats the defaults."""
    file = tmp_path / "node.toml"
    file.write_text('network = "testnet"\nrpc_port = 1000\nmetrics_port = 1001\nbootstrap = ["ws://a:1"]\n')
    config = load_config(
        file, {"MAPPEMONDE_RPC_PORT": "2000", "MAPPEMONDE_MINE": "true", "HOME": "/"}, {"metrics_port": 3000}
    )
    assert (config.network, config.rpc_port, config.metrics_port, config.mine) == ("testnet", 2000, 3000, True)
    assert config.bootstrap == ("ws://a:1",)
    assert config.log_level == NodeConfig().log_level


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("rpc_prot = 1", "unknown setting rpc_prot .*did you mean rpc_port"),
        ('rpc_port = "8545"', "rpc_port .* must be a whole number"),
        ("rpc_port = true", "rpc_port .* must be a whole number"),
        ("rpc_port = 65536", "rpc_port .* must lie between 0 and 65535"),
        ("mine = 1", "mine .* must be true or false"),
        ('bootstrap = "ws://a"', "bootstrap .* must be a list"),
        ('network = "mainet"', "network .* must be one of mainnet"),
        ("= 3", "is not TOML"),
        ("[rpc]\nport = 1", "unknown setting rpc "),
        ("x = " + "[" * 30_000, "is not TOML"),
        ("rpc_port = " + "9" * 5_000, "is not TOML"),
        ("rpc_port = 0x" + "f" * 5_000, "rpc_port .* must lie between 0 and 65535"),
        ("rpc_host = 0x" + "f" * 5_000, "rpc_host .* must be a text"),
        ('datadir = "a\\u0000b"', "datadir .* must be a text without zero bytes"),
    ],
)
def test_a_wrong_file_is_refused_by_name(tmp_path: Path, text: str, complaint: str) -> None:
    """The error says which setting, where, and what is right."""
    file = tmp_path / "node.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        load_config(file, {}, {})


@pytest.mark.parametrize(
    ("variable", "text", "complaint"),
    [
        ("MAPPEMONDE_RPC_PORT", "x", "must be a whole number"),
        ("MAPPEMONDE_RPC_PORT", "-1", "must lie between"),
        ("MAPPEMONDE_MINE", "maybe", "must be true or false"),
        ("MAPPEMONDE_COLOUR", "red", "unknown setting colour"),
        ("MAPPEMONDE_LOG_LEVEL", "loud", "must be one of"),
    ],
)
def test_a_wrong_environment_is_refused_by_name(variable: str, text: str, complaint: str) -> None:
    """Environment variables obey the same rules as the file."""
    with pytest.raises(ConfigError, match=complaint):
        load_config(None, {variable: text}, {})


def test_a_huge_or_missing_file_is_refused(tmp_path: Path) -> None:
    """Neither a disk image nor a directory is read as a configuration."""
    huge = tmp_path / "huge.toml"
    huge.write_bytes(b"#" * (MAX_CONFIG_BYTES + 1))
    for file in (huge, tmp_path / "absent.toml", tmp_path):
        with pytest.raises(ConfigError):
            load_config(file, {}, {})


def test_the_operator_guide_describes_every_setting() -> None:
    """docs/operator.md holds the table that the settings themselves make."""
    guide = (Path(__file__).parents[2] / "docs" / "operator.md").read_text()
    assert render_table() in guide, "run `python -m cli.config` and paste its table into docs/operator.md"
    assert len(SETTINGS) == len({setting.name for setting in SETTINGS})
