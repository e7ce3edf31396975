"""What the operator's settings mean, and that a slip in them is found before anything is made or mined."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner

from chain.genesis import load_genesis
from chain.primitives.errors import ConfigError
from cli.commands.options import place_of
from cli.commands.run import run_command
from cli.config import load_config
from cli.datadir import DataDir, make_datadir
from cli.settings import check_settings, mesh_config, reward_address
from net.core.health.tags import country_tag, operator_tag

PARAMS = load_genesis("devnet").params
ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"


@pytest.mark.parametrize("text", [ACCOUNT, ACCOUNT.lower(), "0x" + ACCOUNT[2:].upper()])
def test_an_account_to_reward_is_read_in_any_case(text: str) -> None:
    found = reward_address(load_config(None, {}, {"reward_address": text}))
    assert found is not None
    assert found.hex() == ACCOUNT[2:].lower()


@pytest.mark.parametrize("name", ["reward_address", "stake_reward_address"])
@pytest.mark.parametrize(
    "text", [ACCOUNT.replace("f39F", "f39f"), ACCOUNT[:-1], ACCOUNT[2:], "0x" + "ab " * 20, "0x" + "٣" * 40, "me"]
)
def test_rewards_never_go_to_an_account_with_a_slip_in_it(name: str, text: str) -> None:
    with pytest.raises(ConfigError, match=name):
        check_settings(load_config(None, {}, {name: text}), PARAMS)


@pytest.mark.parametrize("changes", [{"bootstrap": ("ws://a:1", "somewhere")}, {"link_addresses": ("10.0.0.1", "me")}])
def test_where_to_call_is_checked_before_the_identity_is_searched(changes: dict[str, tuple[str, ...]]) -> None:
    """On mainnet the search takes minutes."""
    with pytest.raises(ConfigError):
        check_settings(load_config(None, {}, changes), PARAMS)


def test_what_a_node_tells_of_itself_stands_in_its_record() -> None:
    told = mesh_config(load_config(None, {}, {"operator": "Example Hosting", "country": "fr"}), PARAMS).tags
    assert told[:2] == (operator_tag("example hosting"), country_tag("FR"))
    assert told[2] > 0
    assert mesh_config(load_config(None, {}, {"tell_release": False}), PARAMS).tags == (0, 0, 0)
    for slip in ({"country": "France"}, {"operator": "x" * 100}):
        with pytest.raises(ConfigError, match=next(iter(slip))):
            check_settings(load_config(None, {}, slip), PARAMS)


@pytest.mark.parametrize("make", [lambda path: make_datadir(path, "devnet"), lambda path: place_of(path, "devnet")])
def test_a_home_that_nobody_has_is_named(make: Callable[[str], DataDir]) -> None:
    with pytest.raises(ConfigError, match="~nobody-of-this-name/node"):
        make("~nobody-of-this-name/node")


@pytest.mark.parametrize(("flags", "form"), [((), "text"), (("--json",), "json"), (("--log-format", "json"), "json")])
def test_a_node_logs_in_json_when_told_so(flags: tuple[str, ...], form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    forms: list[str] = []
    monkeypatch.setattr("cli.logs.set_up_logs", lambda _level, form: forms.append(form))
    monkeypatch.setattr("cli.node.run_node", lambda _config, *, stop_with_parent: None)
    assert CliRunner().invoke(run_command, list(flags)).exit_code == 0
    assert forms == [form]
