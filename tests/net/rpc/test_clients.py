"""The call sequences of wallets and libraries, as recorded (shared/WALLET_RPC.md), against a real server."""

import json

import pytest

from chain.primitives.units import GWEI
from chain.transaction import TxType
from tests.helpers.rpc_world import Client, World
from tests.helpers.transactions import DEVNET_KEYS, sign
from tests.net.rpc.test_methods import ALICE, BOB, text

pytestmark = pytest.mark.slow
ME, YOU = text(ALICE), text(BOB)


async def refused(client: Client, method: str, *params: object) -> tuple[int, str]:
    _, _, raw = await client.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(params)})
    error = json.loads(raw)["error"]
    return error["code"], error["message"]


async def number(client: Client, method: str, *params: object) -> int:
    result = await client.result(method, *params)
    assert isinstance(result, str)
    return int(result, 16)


async def test_metamask_sends_speeds_up_and_cancels() -> None:
    world = World()
    async with world.served() as client:
        assert await client.result("net_version") == "156900"
        head = await client.result("eth_blockNumber")
        block = await client.result("eth_getBlockByNumber", head, False)
        assert isinstance(block, dict)
        assert int(block["baseFeePerGas"], 16) > 0
        await client.result("eth_getBalance", ME, head)  # it asks by number, never by `latest`
        assert await client.result("eth_getCode", YOU, head) == "0x"
        gas = await number(client, "eth_estimateGas", {"from": ME, "to": YOU, "value": "0x1"})
        nonce = await number(client, "eth_getTransactionCount", ME, head)
        price = await number(client, "eth_gasPrice")  # cap and tip are both this
        first = sign(DEVNET_KEYS[0], to=BOB, nonce=nonce, value=1, gas=gas, max_fee=price, tip=price)
        await client.result("eth_sendRawTransaction", text(first.tx.raw))
        assert await client.result("eth_getTransactionByHash", text(first.tx.hash)) is not None
        faster = (price * 11 + 9) // 10
        second = sign(DEVNET_KEYS[0], to=BOB, nonce=nonce, value=1, gas=gas, max_fee=faster, tip=faster)
        await client.result("eth_sendRawTransaction", text(second.tx.raw))
        away = (faster * 11 + 9) // 10
        cancel = sign(DEVNET_KEYS[0], to=ALICE, nonce=nonce, max_fee=away, tip=away)
        await client.result("eth_sendRawTransaction", text(cancel.tx.raw))
        world.mine()
        assert await client.result("eth_getTransactionReceipt", text(first.tx.hash)) is None
        receipt = await client.result("eth_getTransactionReceipt", text(cancel.tx.hash))
        assert isinstance(receipt, dict)
        assert receipt["status"] == "0x1"
        assert await number(client, "eth_getTransactionCount", ME, "0x1") == nonce + 1
        assert await number(client, "eth_getBalance", YOU, "0x1") == 0


@pytest.mark.parametrize("factor", [110, 120, 125])
async def test_rabby_sends_legacy_at_its_own_price(factor: int) -> None:
    world = World()
    async with world.served() as client:
        price = await number(client, "eth_gasPrice") * factor // 100
        call = {"chainId": 156900, "from": ME, "to": YOU, "value": "0x1", "data": "0x", "gasPrice": "0x0"}
        gas = await number(client, "eth_estimateGas", call)
        nonce = await number(client, "eth_getTransactionCount", ME, "latest")
        signed = sign(DEVNET_KEYS[0], to=BOB, nonce=nonce, gas=gas, max_fee=price, value=1, kind=TxType.LEGACY)
        await client.result("eth_sendRawTransaction", text(signed.tx.raw))
        world.mine()
        receipt = await client.result("eth_getTransactionReceipt", text(signed.tx.hash))
        assert isinstance(receipt, dict)
        assert int(receipt["effectiveGasPrice"], 16) == price


async def test_ethers_asks_in_batches() -> None:
    world = World()
    async with world.served() as client:
        batch: list[object] = [
            {"method": "eth_chainId", "params": [], "id": 1, "jsonrpc": "2.0"},
            {"method": "eth_getTransactionCount", "params": [ME, "pending"], "id": 2, "jsonrpc": "2.0"},
            {
                "method": "eth_estimateGas",
                "params": [{"from": ME, "to": YOU, "value": "0x1"}],
                "id": 3,
                "jsonrpc": "2.0",
            },
            {"method": "eth_getBlockByNumber", "params": ["latest", False], "id": 4, "jsonrpc": "2.0"},
            {"method": "eth_maxPriorityFeePerGas", "params": [], "id": 5, "jsonrpc": "2.0"},
        ]
        _, _, raw = await client.post(batch * 20)
        answers = json.loads(raw)
        assert len(answers) == 100
        assert all("result" in answer for answer in answers)
        assert answers[3]["result"]["difficulty"] == "0x0"
        low = sign(DEVNET_KEYS[0], to=BOB, max_fee=3 * GWEI, tip=3 * GWEI)
        await client.result("eth_sendRawTransaction", text(low.tx.raw))
        same = sign(DEVNET_KEYS[0], to=BOB, max_fee=3 * GWEI + 1, tip=3 * GWEI + 1)
        code, message = await refused(client, "eth_sendRawTransaction", text(same.tx.raw))
        assert code == -32000
        assert "replacement transaction underpriced" in message


async def test_viem_fills_polls_and_makes_filters_anew() -> None:
    world = World()
    async with world.served() as client:
        assert (await refused(client, "eth_fillTransaction", {"from": ME, "to": YOU}))[0] == -32601
        assert (await refused(client, "eth_sendRawTransactionSync", "0x00"))[0] == -32601
        block = await client.result("eth_getBlockByNumber", "latest", False)
        assert isinstance(block, dict)
        tip = await number(client, "eth_maxPriorityFeePerGas")
        cap = int(block["baseFeePerGas"], 16) * 12 // 10 + tip  # viem's own formula
        signed = sign(DEVNET_KEYS[0], to=BOB, value=1, max_fee=cap, tip=tip)
        await client.result("eth_sendRawTransaction", text(signed.tx.raw))
        assert (await refused(client, "eth_sendRawTransaction", text(signed.tx.raw)))[1].startswith("already known")
        world.mine()
        assert await client.result("eth_getTransactionReceipt", text(signed.tx.hash)) is not None
        assert await refused(client, "eth_getFilterChanges", "0x1234") == (-32000, "filter not found")
        name = await client.result("eth_newBlockFilter")
        assert await client.result("eth_getFilterChanges", name) == []
        assert await client.result("eth_uninstallFilter", name) is True


async def test_cast_and_web3js_send_members_of_their_own() -> None:
    world = World()
    async with world.served() as client:
        cast = {
            "from": ME,
            "to": YOU,
            "value": "0x1",
            "data": "0x",
            "input": "0x",
            "nonce": "0x0",
            "chainId": "0x264e4",
        }
        assert await client.result("eth_estimateGas", cast, "pending") == "0x5208"
        web3js = {**cast, "chain": "mainnet", "hardfork": "prague", "networkId": "0x264e4"}
        assert await client.result("eth_estimateGas", web3js, "latest") == "0x5208"
        assert await client.result("eth_call", web3js, "latest") == "0x"
        history = await client.result("eth_feeHistory", "0x1", "latest", [])
        assert isinstance(history, dict)
        assert "reward" not in history
        name = "8b7f4c0e-6a5e-4c7e-9d67-0c6a4f1d2b3a"
        _, _, raw = await client.post({"jsonrpc": "2.0", "id": name, "method": "net_listening", "params": []})
        assert json.loads(raw) == {"jsonrpc": "2.0", "id": name, "result": True}
        assert await client.result("eth_getUncleCountByBlockNumber", "latest") == "0x0"
