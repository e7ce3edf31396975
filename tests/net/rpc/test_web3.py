"""web3.py, unmodified, against a real server over HTTP and WebSocket."""

import asyncio
from collections.abc import Iterable, Mapping
from functools import partial

import pytest
import rlp
from eth_account import Account
from eth_utils.address import to_checksum_address
from trie.hexary import HexaryTrie
from web3 import AsyncWeb3, Web3
from web3.providers import AsyncHTTPProvider, HTTPProvider, WebSocketProvider
from web3.types import TxParams

from chain.primitives.hashing import keccak256
from chain.primitives.keys import schnorr_sign
from chain.primitives.units import Address
from chain.staking import deposit_digest
from chain.staking_abi import staking_abi
from chain.staking_registry import SYSTEM_ADDRESS
from tests.helpers.rpc_world import World
from tests.helpers.transactions import DEVNET_KEYS

ALICE = Account.from_key(DEVNET_KEYS[0].secret)
BOB = to_checksum_address("0x" + "b0" * 20)
GWEI = 10**9
pytestmark = pytest.mark.slow


def payment(kind: int, nonce: int, **changes: object) -> Mapping[str, object]:
    fees: dict[str, object] = (
        {"maxFeePerGas": 3 * GWEI, "maxPriorityFeePerGas": GWEI} if kind == 2 else {"gasPrice": 3 * GWEI}
    )
    listed: dict[str, object] = {} if kind == 0 else {"type": kind, "accessList": []}
    return {"to": BOB, "value": 7, "gas": 21_000, "nonce": nonce, "chainId": 156_900, **fees, **listed, **changes}


def signed(fields: Mapping[str, object]) -> bytes:
    return bytes(ALICE.sign_transaction(dict(fields)).raw_transaction)


async def test_a_wallets_day_over_http() -> None:
    world = World()
    async with world.served() as client:
        w3 = AsyncWeb3(AsyncHTTPProvider(client.url))
        try:
            assert await w3.is_connected()
            assert await w3.eth.chain_id == 156_900
            assert await w3.eth.get_balance(ALICE.address) > 0
            for kind in (0, 1, 2):
                nonce = await w3.eth.get_transaction_count(ALICE.address, "pending")
                assert nonce == kind
                tx_hash = await w3.eth.send_raw_transaction(signed(payment(kind, nonce)))
                waiting = await w3.eth.get_transaction(tx_hash)
                assert waiting.get("blockNumber") is None
                world.mine()
                receipt = await w3.eth.wait_for_transaction_receipt(tx_hash, timeout=5)
                assert receipt["status"] == 1
                assert receipt["type"] == kind
                assert receipt["gasUsed"] == 21_000
                mined = await w3.eth.get_transaction(tx_hash)
                assert mined["from"] == ALICE.address
                assert mined["gasPrice"] == receipt["effectiveGasPrice"]
            assert await w3.eth.get_balance(BOB) == 21
            block = await w3.eth.get_block("latest", full_transactions=True)
            assert block["number"] == 3
            assert len(block["transactions"]) == 1
            assert await w3.eth.get_block_transaction_count(3) == 1
            history = await w3.eth.fee_history(3, "latest", [10, 50.5, 90])
            assert len(history["baseFeePerGas"]) == 4
            assert len(history["reward"]) == 3
            assert await w3.eth.gas_price > block["baseFeePerGas"]
            assert await w3.eth.estimate_gas({"from": ALICE.address, "to": BOB}) == 21_000
            assert (await w3.eth.get_block_receipts(3))[0]["transactionHash"] == tx_hash
        finally:
            await w3.provider.disconnect()


def raw(value: object) -> bytes:
    assert isinstance(value, bytes)
    return bytes(value)


def proven(root: bytes, key: bytes, nodes: Iterable[object]) -> bytes:
    """Return what an independent trie finds in a proof."""
    decoded = [rlp.decode(raw(node)) for node in nodes]
    return raw(HexaryTrie.get_from_proof(root, keccak256(key), decoded))  # type: ignore[no-untyped-call]


async def test_a_proof_holds_against_an_independent_trie() -> None:
    world = World()
    async with world.served() as client:
        w3 = AsyncWeb3(AsyncHTTPProvider(client.url))
        plain = Web3(HTTPProvider(client.url))
        try:
            await w3.eth.send_raw_transaction(signed(payment(2, 0)))
            world.mine()
            block = await w3.eth.get_block("latest")
            for address in (ALICE.address, w3.to_checksum_address("0x" + SYSTEM_ADDRESS.hex())):
                # web3.py types the method by the tuple of its arguments
                ask = partial(plain.eth.get_proof, address, [0, 1], block["number"])  # type: ignore[call-arg,arg-type]
                proof = await asyncio.to_thread(ask)
                fields = rlp.decode(proven(raw(block["stateRoot"]), bytes.fromhex(address[2:]), proof["accountProof"]))
                assert [int.from_bytes(field, "big") for field in fields[:2]] == [proof["nonce"], proof["balance"]]
                assert fields[2:] == [raw(proof["storageHash"]), raw(proof["codeHash"])]
                for slot in proof["storageProof"]:
                    found = proven(raw(proof["storageHash"]), raw(slot["key"]).rjust(32, b"\x00"), slot["proof"])
                    assert (rlp.decode(found) if found else b"") == raw(slot["value"]).lstrip(b"\x00")
        finally:
            await w3.provider.disconnect()


async def test_filters_of_web3() -> None:
    world = World()
    async with world.served() as client:
        w3 = AsyncWeb3(AsyncHTTPProvider(client.url))
        try:
            blocks, pending = await w3.eth.filter("latest"), await w3.eth.filter("pending")
            tx_hash = await w3.eth.send_raw_transaction(signed(payment(2, 0)))
            assert list(map(raw, await pending.get_new_entries())) == [tx_hash]
            async with client.session.ws_connect(client.socket_url) as socket:
                await socket.send_json({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"]})
                await socket.receive()
                built = world.mine()
                await socket.receive()  # when a head is told, filters have it
            assert list(map(raw, await blocks.get_new_entries())) == [built.chained.id]
            assert blocks.filter_id is not None
            assert await w3.eth.uninstall_filter(blocks.filter_id)
        finally:
            await w3.provider.disconnect()


async def test_subscriptions_of_web3() -> None:
    world = World()
    async with world.served() as client, AsyncWeb3(WebSocketProvider(client.socket_url)) as w3:
        heads = await w3.eth.subscribe("newHeads")
        hashes = await w3.eth.subscribe("newPendingTransactions", False)
        messages = w3.socket.process_subscriptions()
        tx_hash = await w3.eth.send_raw_transaction(signed(payment(2, 0)))
        told = await anext(messages)
        assert (told["subscription"], told["result"]) == (hashes, tx_hash)
        built = world.mine()
        told = await anext(messages)
        assert told["subscription"] == heads
        assert told["result"]["number"] == 1
        assert told["result"]["hash"] == built.chained.id
        # the state of a head is readable as soon as it is told
        assert await w3.eth.get_balance(BOB, told["result"]["number"]) == 7
        assert await w3.eth.unsubscribe(heads)
        assert await w3.eth.unsubscribe(hashes)


async def test_staking_through_a_contract_object() -> None:
    world = World()
    key = DEVNET_KEYS[1]
    owner = Address(bytes.fromhex(ALICE.address[2:]))
    async with world.served() as client, AsyncWeb3(WebSocketProvider(client.socket_url)) as w3:
        address = w3.to_checksum_address("0x" + SYSTEM_ADDRESS.hex())
        assert await w3.eth.get_code(address) != b""
        contract = w3.eth.contract(address=address, abi=staking_abi())
        logs = await w3.eth.subscribe("logs", {"address": address})
        messages = w3.socket.process_subscriptions()
        public = key.public_key.format()
        proof = schnorr_sign(key, deposit_digest(156_900, public, owner), bytes(32))
        call = contract.functions.deposit(public, proof)
        amount = Web3.to_wei(5, "ether")
        gas = await call.estimate_gas({"from": ALICE.address, "value": amount})
        fields: TxParams = await call.build_transaction(
            {
                "from": ALICE.address,
                "value": amount,
                "gas": gas,
                "nonce": 0,
                "maxFeePerGas": 3 * GWEI,
                "maxPriorityFeePerGas": GWEI,
            }
        )
        tx_hash = await w3.eth.send_raw_transaction(signed(fields))
        world.mine()
        told = await anext(messages)
        assert told["subscription"] == logs
        assert told["result"]["transactionHash"] == tx_hash
        assert await contract.functions.stakeOf(ALICE.address).call() == amount
        assert await contract.functions.totalStake().call() == amount
        found = await contract.events.Deposited().get_logs(from_block=0)
        assert [event["transactionHash"] for event in found] == [tx_hash]
        with pytest.raises(Exception, match="execution reverted"):
            await contract.functions.withdraw().call({"from": ALICE.address})
