"""The document of `rpc.discover` against the methods, the needed list and the real answers."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from net.rpc.registry import REQUIRED
from tests.helpers.rpc_world import Direct, World

NEEDED = """
eth_chainId net_version web3_clientVersion eth_blockNumber eth_syncing net_listening net_peerCount eth_accounts
eth_gasPrice eth_maxPriorityFeePerGas eth_feeHistory
eth_getBalance eth_getTransactionCount eth_getCode eth_getStorageAt eth_getProof eth_call eth_estimateGas
eth_getBlockByNumber eth_getBlockByHash eth_getBlockReceipts eth_getBlockTransactionCountByHash
eth_getBlockTransactionCountByNumber
eth_sendRawTransaction eth_getTransactionByHash eth_getTransactionReceipt eth_getTransactionByBlockHashAndIndex
eth_getTransactionByBlockNumberAndIndex
eth_getLogs eth_newFilter eth_newBlockFilter eth_newPendingTransactionFilter eth_getFilterChanges eth_getFilterLogs
eth_uninstallFilter eth_subscribe eth_unsubscribe
eth_getUncleCountByBlockHash eth_getUncleCountByBlockNumber eth_getRawTransactionByHash web3_sha3 txpool_status
"""


@pytest.fixture
def direct() -> Direct:
    return Direct(World())


async def document(direct: Direct) -> dict[str, dict[str, object]]:
    found = await direct.record("rpc.discover")
    assert found["openrpc"] == "1.3.2"
    methods = found["methods"]
    assert isinstance(methods, list)
    return {method["name"]: method for method in methods}


async def test_every_needed_method_is_there(direct: Direct) -> None:
    described = await document(direct)
    assert set(NEEDED.split()) <= described.keys()
    others = described.keys() - set(NEEDED.split())
    assert all(name.startswith("mappemonde_") or name == "rpc.discover" for name in others)


async def test_the_document_is_the_code(direct: Direct) -> None:
    described = await document(direct)
    assert list(described) == [method.name for method in direct.registry.all()]
    schemas = (await direct.record("rpc.discover"))["components"]
    assert isinstance(schemas, dict)
    for method in direct.registry.all():
        params = described[method.name]["params"]
        assert isinstance(params, list)
        assert [(param["name"], param["required"]) for param in params] == [
            (param.name, param.default is REQUIRED) for param in method.params
        ]
        for param in params:
            assert param["schema"]["$ref"].removeprefix("#/components/schemas/") in schemas["schemas"]
        required = [param["required"] for param in params]
        assert required == sorted(required, reverse=True), "what may be left out stands last"
        assert method.summary
        assert described[method.name].get("x-admin", False) == method.admin


def check(schema: Mapping[str, object], value: object) -> None:
    """Check a value against the few parts of JSON schema that the document uses."""
    if "anyOf" in schema:
        options = schema["anyOf"]
        assert isinstance(options, list)
        errors = []
        for option in options:
            try:
                check(option, value)
            except AssertionError as error:
                errors.append(error)
            else:
                return
        raise AssertionError(f"{value} fits none: {errors}")
    kinds: dict[object, type | tuple[type, ...]] = {
        "string": str,
        "boolean": bool,
        "integer": int,
        "number": (int, float),
        "object": dict,
        "array": list,
        "null": type(None),
    }
    if "type" in schema:
        assert isinstance(value, kinds[schema["type"]]), f"{value!r} is no {schema['type']}"
    if isinstance(schema.get("pattern"), str):
        assert isinstance(value, str)
        assert re.fullmatch(str(schema["pattern"]), value), f"{value} against {schema['pattern']}"
    if isinstance(schema.get("enum"), list):
        assert value in schema["enum"]  # type: ignore[operator]
    if isinstance(value, dict):
        required, properties = schema.get("required", []), schema.get("properties", {})
        assert isinstance(required, list)
        assert isinstance(properties, dict)
        assert set(required) <= value.keys(), f"{set(required) - value.keys()} missing"
        for name, member in value.items():
            check(properties.get(name, {}), member)
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        for item in value:
            check(schema["items"], item)  # type: ignore[arg-type]


async def test_answers_keep_to_their_schemas() -> None:
    from tests.net.rpc.test_methods import ALICE, BOB, SYSTEM, deposit, send, text

    world = World()
    direct = Direct(world)
    described = await document(direct)
    world.new_work(1)
    waiting_before = await direct.record("eth_getBlockByNumber", "pending", True)
    tx_hash = await send(direct, deposit())
    waiting = await direct.record("eth_getTransactionByHash", tx_hash)
    world.mine()
    block = text(world.view.head().id)
    call = {"to": text(BOB), "value": "0x0"}
    filters = {"eth_getFilterChanges": await direct.result("eth_newBlockFilter")}
    filters["eth_getFilterLogs"] = await direct.result("eth_newFilter", {"fromBlock": "0x0"})
    filters["eth_uninstallFilter"] = "0x1"
    params: dict[str, list[object]] = {
        "web3_sha3": ["0x00"],
        "eth_feeHistory": [3, "latest", [10, 90.5]],
        "eth_getBalance": [SYSTEM],
        "eth_getTransactionCount": [SYSTEM, "pending"],
        "eth_getCode": [SYSTEM],
        "eth_getStorageAt": [SYSTEM, "0x0"],
        "eth_getProof": [SYSTEM, ["0x0"]],
        "eth_call": [call],
        "eth_estimateGas": [call],
        "eth_getBlockByNumber": ["latest", True],
        "eth_getLogs": [{"fromBlock": "0x0"}],
        "eth_newFilter": [{}],
        "mappemonde_heads": [10],
        "mappemonde_whyPeer": ["a1" * 32],
        "mappemonde_validator": [text(ALICE)],
        "mappemonde_submitWork": ["0x" + "00" * 32, "0x" + "00" * 8],
        **{name: [given] for name, given in filters.items()},
    }
    silent = {"eth_sendRawTransaction"}
    silent |= {name for name in described if name.endswith("ubscribe")}
    for method in direct.registry.all():
        if method.name in silent or method.admin:
            continue
        given = params.get(method.name)
        if given is None:
            by_name = {"blockHash": block, "block": "latest", "index": "0x0", "transactionHash": tx_hash}
            given = [by_name[param.name] for param in method.params if param.default is REQUIRED]
        result = await direct.result(method.name, *given)
        check(method.result, result)
    for name, value in (("eth_getTransactionByHash", waiting), ("eth_getBlockByNumber", waiting_before)):
        method_found = direct.registry.get(name)
        assert method_found is not None
        check(method_found.result, value)


async def test_the_documentation_names_every_method(direct: Direct) -> None:
    page = (Path(__file__).parents[3] / "docs" / "rpc.md").read_text(encoding="utf-8")
    missing = [method.name for method in direct.registry.all() if f"`{method.name}`" not in page]
    assert not missing
