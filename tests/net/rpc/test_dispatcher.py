"""Whatever comes in, a JSON-RPC answer comes out."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from net.rpc.policy import RpcLimits
from net.rpc.registry import Caller
from tests.helpers.rpc_world import Direct, World


@pytest.fixture
def direct() -> Direct:
    return Direct(World())


async def ask(direct: Direct, body: bytes) -> object:
    answer = await direct.raw(body)
    return None if answer is None else json.loads(answer)


def error_of(answer: object) -> tuple[int, str]:
    assert isinstance(answer, dict)
    assert answer["jsonrpc"] == "2.0"
    return answer["error"]["code"], answer["error"]["message"]


@pytest.mark.parametrize("given_id", [1, -5, 2**53 - 1, 2**70, 0.5, "x", "\ud800", "", None, True])
async def test_ids_come_back_as_they_were(direct: Direct, given_id: object) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": given_id, "method": "eth_chainId"})
    assert await ask(direct, body.encode()) == {"jsonrpc": "2.0", "id": given_id, "result": "0x264e4"}


@pytest.mark.parametrize("given_id", [[], {}, [1], {"a": 1}])
async def test_ids_that_no_request_has(direct: Direct, given_id: object) -> None:
    answer = await ask(direct, json.dumps({"jsonrpc": "2.0", "id": given_id, "method": "eth_chainId"}).encode())
    assert error_of(answer)[0] == -32600


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"nonsense", b"\xff\xfe", b'{"id":1e999}', b'{"a":NaN}', b"[" * 100_000, b'{"a":' * 5000, b"9" * 5000],
)
async def test_what_is_not_json(direct: Direct, body: bytes) -> None:
    assert error_of(await ask(direct, body))[0] == -32700


NO_REQUESTS: list[object] = [1, "x", None, True, {}, [], {"method": "eth_chainId"}, {"jsonrpc": "2.0", "id": 1}]


@pytest.mark.parametrize("value", [*NO_REQUESTS, {"jsonrpc": "1.0", "id": 1, "method": "eth_chainId"}])
async def test_what_is_json_but_no_request(direct: Direct, value: object) -> None:
    assert error_of(await ask(direct, json.dumps(value).encode()))[0] == -32600


async def test_unknown_methods_make_clients_fall_back(direct: Direct) -> None:
    for name in ("eth_fillTransaction", "eth_sendRawTransactionSync", "eth_sign", "eth_sendTransaction", "debug_x"):
        assert await direct.error(name, {}) == (-32601, f"the method {name} does not exist/is not available")


async def test_no_method_can_sign_or_reach_a_key(direct: Direct) -> None:
    for method in direct.registry.all():
        forbidden = ("sign", "unlock", "privatekey", "password", "importkey", "sendtransaction")
        assert not any(word in method.name.lower() for word in forbidden), method.name
        assert not method.name.startswith(("personal_", "debug_", "engine_", "miner_", "admin_"))


async def test_parameters_by_position_name_and_default(direct: Direct) -> None:
    address = "0x" + "11" * 20
    assert await direct.result("eth_getBalance", address) == "0x0"
    assert await direct.result("eth_getBalance", address, None) == "0x0"
    named = {"jsonrpc": "2.0", "id": 1, "method": "eth_getBalance", "params": {"address": address, "other": 1}}
    answer = await ask(direct, json.dumps(named).encode())
    assert isinstance(answer, dict)
    assert answer["result"] == "0x0"


async def test_parameters_that_do_not_fit(direct: Direct) -> None:
    assert await direct.error("eth_getBalance") == (-32602, "missing value for required argument 0 (address)")
    assert (await direct.error("eth_getBalance", "0x" + "11" * 20, "latest", 3))[1].startswith("too many arguments")
    body = b'{"jsonrpc":"2.0","id":1,"method":"eth_getBalance","params":"x"}'
    assert error_of(await ask(direct, body)) == (-32602, "params must be an array or an object")


async def test_notifications_get_no_answer(direct: Direct) -> None:
    assert await ask(direct, b'{"jsonrpc":"2.0","method":"eth_chainId"}') is None
    assert await ask(direct, b'[{"jsonrpc":"2.0","method":"eth_chainId"}]') is None


async def test_batches_keep_their_order(direct: Direct) -> None:
    calls: list[object] = [{"jsonrpc": "2.0", "id": number, "method": "eth_chainId"} for number in range(100)]
    calls.insert(50, {"jsonrpc": "2.0", "method": "eth_chainId"})
    calls.insert(70, "no call")
    answer = await ask(direct, json.dumps(calls).encode())
    assert isinstance(answer, list)
    assert [item["id"] for item in answer] == [*range(69), None, *range(69, 100)]


async def test_a_batch_over_the_limit_runs_nothing(direct: Direct) -> None:
    calls = [{"jsonrpc": "2.0", "id": number, "method": "eth_chainId"} for number in range(1001)]
    assert error_of(await ask(direct, json.dumps(calls).encode())) == (-32600, "batch too large: at most 1000 calls")
    assert direct.dispatcher.statistics().calls == {}


async def test_many_parts_are_refused_before_they_take_memory(direct: Direct) -> None:
    assert error_of(await ask(direct, b"[" + b"{}," * 100_000 + b"{}]")) == (-32700, "parse error: too many parts")


async def test_a_long_answer_is_cut_at_whole_calls() -> None:
    direct = Direct(World(RpcLimits(response_bytes=4_000)))
    calls = [{"jsonrpc": "2.0", "id": n, "method": "eth_getBlockByNumber", "params": ["0x0"]} for n in range(10)]
    answer = await ask(direct, json.dumps(calls).encode())
    assert isinstance(answer, list)
    codes = [item["error"]["code"] if "error" in item else 0 for item in answer]
    assert len(codes) == 10
    assert codes[0] == 0
    assert codes[-1] == -32003
    assert len(json.dumps(answer)) < 4_000 + 2_500 + 10 * 120


async def test_admin_methods_want_the_token(direct: Direct) -> None:
    assert (await direct.error("mappemonde_bans"))[0] == -32004
    bans = await direct.result("mappemonde_bans", caller=Caller("operator", admin=True))
    assert bans == [{"id": "c3" * 32, "reason": "false claim", "until": 99}]
    operator = Caller("operator", admin=True)
    assert await direct.result("mappemonde_unban", "0x" + "c3" * 32, caller=operator) is True
    assert await direct.result("mappemonde_unban", "c3" * 32, caller=operator) is False


async def test_a_fault_of_ours_is_counted_and_answered(direct: Direct, caplog: pytest.LogCaptureFixture) -> None:
    def broken() -> bytes | None:
        raise KeyError("fault")

    direct.services.parts.node.sync = broken  # type: ignore[method-assign,assignment]
    assert await direct.error("eth_syncing") == (-32000, "internal error")
    assert direct.dispatcher.statistics().faults == 1
    assert "eth_syncing" in caplog.text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
HEX = st.binary(max_size=40).map(lambda raw: "0x" + raw.hex()) | st.integers(0, 2**70).map(hex)
WORDS = st.sampled_from(
    ["latest", "pending", "earliest", "safe", "finalized", "logs", "newHeads", "map", "0x0", "0x1", "0x" + "0" * 64]
)
CALL_MEMBERS = ("from", "to", "gas", "gasPrice", "value", "data", "input", "accessList", "storageKeys", "maxFeePerGas")
FILTER_MEMBERS = ("address", "topics", "fromBlock", "toBlock", "blockHash", "blockNumber", "requireCanonical")
MEMBERS = st.sampled_from((*CALL_MEMBERS, *FILTER_MEMBERS))
ARGUMENT = st.recursive(
    HEX | WORDS | st.booleans() | st.none() | st.integers(-5, 300) | st.floats(0, 100),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(MEMBERS, inner, max_size=4),
    max_leaves=8,
)


def check_answer(answer: object) -> None:
    if isinstance(answer, list):
        for item in answer:
            check_answer(item)
        return
    assert isinstance(answer, dict)
    assert answer["jsonrpc"] == "2.0"
    assert "id" in answer
    assert ("result" in answer) != ("error" in answer)
    if "error" in answer:
        assert type(answer["error"]["code"]) is int
        assert answer["error"]["code"] != -32603
        assert isinstance(answer["error"]["message"], str)
        assert answer["error"]["message"] != "internal error"


NAMES = [method.name for method in Direct(World()).registry.all() if method.name != "mappemonde_getWork"]


@pytest.mark.slow
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=JSON)
async def test_any_json_gets_an_answer(direct: Direct, value: object) -> None:
    answer = await direct.raw(json.dumps(value).encode())
    if answer is not None:
        check_answer(json.loads(answer))


@pytest.mark.slow
@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=st.sampled_from(NAMES), params=st.lists(ARGUMENT, max_size=4) | JSON, given_id=JSON, admin=st.booleans())
async def test_any_parameters_get_an_answer(
    direct: Direct, name: str, params: object, given_id: object, admin: bool
) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": given_id, "method": name, "params": params})
    answer = await direct.raw(body.encode(), Caller("fuzz", admin=admin))
    assert answer is not None
    check_answer(json.loads(answer))


@pytest.mark.slow
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200))
async def test_any_bytes_get_an_answer(direct: Direct, body: bytes) -> None:
    answer = await direct.raw(body)
    if answer is not None:
        check_answer(json.loads(answer))
