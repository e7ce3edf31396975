"""What the methods answer, over a real chain: fields and texts are those of shared/WALLET_RPC.md."""

import asyncio

import pytest

from chain.block import header_id
from chain.primitives.keys import schnorr_sign
from chain.primitives.units import COIN, GWEI, Address, Millis, Wei
from chain.staking import deposit_digest
from chain.staking_abi import encode_deposit, encode_withdraw
from chain.staking_registry import SYSTEM_ADDRESS
from chain.transaction import SignedTransaction, TxType
from net.rpc.methods.blocks import FEW_PENDING, PENDING_FOR
from net.rpc.policy import RpcLimits
from net.rpc.ports import SyncProgress
from tests.helpers.rpc_world import PEER_A, PEER_B, PEER_C, Direct, World
from tests.helpers.transactions import DEVNET_KEYS, address_of_key, key_of, sign

ALICE = address_of_key(DEVNET_KEYS[0])
BOB = Address(b"\xb0" * 20)
SYSTEM = "0x" + SYSTEM_ADDRESS.hex()

BLOCK_FIELDS = frozenset(
    (
        *("hash", "parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom"),
        *("difficulty", "number", "gasLimit", "gasUsed", "timestamp", "extraData", "baseFeePerGas", "transactions"),
        *("mixHash", "nonce", "size", "uncles"),
    )
)
TRANSACTION_FIELDS = frozenset(
    (
        *("hash", "from", "value", "nonce", "gas", "input", "type", "r", "s", "v", "to", "chainId", "gasPrice"),
        *("blockHash", "blockNumber", "blockTimestamp", "transactionIndex"),
    )
)
RECEIPT_FIELDS = frozenset(
    (
        *("transactionHash", "transactionIndex", "blockHash", "blockNumber", "from", "to", "contractAddress"),
        *("cumulativeGasUsed", "gasUsed", "logs", "logsBloom", "status", "type", "effectiveGasPrice"),
    )
)
PROOF_FIELDS = frozenset(("address", "accountProof", "balance", "codeHash", "nonce", "storageHash", "storageProof"))
NO_BLOCKS: tuple[object, ...] = (
    *(5, "newest", "0x", "0x01", "2", {}, [], True, "0x1" + "0" * 16, "0x" + "zz" * 32, {"blockHash": "0x11"}),
    {"blockNumber": "0x1", "blockHash": "0x" + "11" * 32},
    {"blockNumber": "0x" + "11" * 32},
)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def direct(world: World) -> Direct:
    return Direct(world)


def text(raw: bytes) -> str:
    return "0x" + raw.hex()


async def send(direct: Direct, signed: SignedTransaction) -> str:
    result = await direct.result("eth_sendRawTransaction", text(signed.tx.raw))
    assert result == text(signed.tx.hash)
    return result


def deposit(nonce: int = 0, *, validator: int = 77, amount: int = 5 * COIN) -> SignedTransaction:
    key = key_of(validator)
    public = key.public_key.format()
    proof = schnorr_sign(key, deposit_digest(156_900, public, ALICE), bytes(32))
    return sign(
        DEVNET_KEYS[0],
        to=SYSTEM_ADDRESS,
        nonce=nonce,
        value=amount,
        data=encode_deposit(public, proof),
        gas=400_000,
        max_fee=5 * GWEI,
    )


async def test_chain_discovery(world: World, direct: Direct) -> None:
    assert await direct.result("eth_chainId") == "0x264e4"
    assert await direct.result("net_version") == "156900"
    assert await direct.result("web3_clientVersion") == "Mappemonde/v0.0.0/test"
    assert await direct.result("eth_blockNumber") == "0x0"
    assert await direct.result("eth_syncing") is False
    world.node.progress = SyncProgress(1, 2, 300)
    syncing = {"startingBlock": "0x1", "currentBlock": "0x2", "highestBlock": "0x12c"}
    assert await direct.result("eth_syncing") == syncing
    assert await direct.result("net_listening") is True
    assert await direct.result("net_peerCount") == "0x2"
    assert await direct.result("eth_accounts") == []
    empty = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert await direct.result("web3_sha3", "0x") == empty


@pytest.mark.parametrize("kind", list(TxType))
async def test_a_transaction_from_sending_to_receipt(world: World, direct: Direct, kind: TxType) -> None:
    signed = sign(DEVNET_KEYS[0], to=BOB, value=9, max_fee=3 * GWEI, tip=GWEI, kind=kind)
    tx_hash = await send(direct, signed)
    waiting = await direct.record("eth_getTransactionByHash", tx_hash)
    assert waiting.keys() >= TRANSACTION_FIELDS
    for member in ("blockHash", "blockNumber", "blockTimestamp", "transactionIndex"):
        assert waiting[member] is None
    assert await direct.result("eth_getTransactionReceipt", tx_hash) is None
    assert await direct.result("eth_getTransactionCount", text(ALICE), "pending") == "0x1"
    assert await direct.result("eth_getTransactionCount", text(ALICE), "latest") == "0x0"
    assert await direct.result("txpool_status") == {"pending": "0x1", "queued": "0x0"}
    built = world.mine(miner=Address(b"\x4d" * 20))
    mined = await direct.record("eth_getTransactionByHash", tx_hash)
    assert mined.keys() >= TRANSACTION_FIELDS
    assert mined["blockNumber"] == "0x1"
    assert mined["blockTimestamp"] == hex(built.chained.time // 1000)
    paid = min(signed.tx.max_fee, built.chained.header.base_fee + signed.tx.max_priority_fee)
    assert mined["gasPrice"] == hex(paid)
    typed = {"yParity", "accessList"} if kind else set()
    fees = {"maxFeePerGas", "maxPriorityFeePerGas"} if kind is TxType.DYNAMIC_FEE else set()
    assert mined.keys() == TRANSACTION_FIELDS | typed | fees
    parity = signed.tx.y_parity
    assert mined["v"] == hex(parity if kind else 35 + 2 * 156_900 + parity)
    receipt = await direct.record("eth_getTransactionReceipt", tx_hash)
    assert receipt.keys() == RECEIPT_FIELDS
    assert (receipt["status"], receipt["type"], receipt["gasUsed"]) == ("0x1", hex(kind), "0x5208")
    assert receipt["effectiveGasPrice"] == hex(paid)
    assert receipt["contractAddress"] is None
    assert await direct.result("eth_getBalance", text(BOB)) == "0x9"
    assert await direct.result("eth_getRawTransactionByHash", tx_hash) == text(signed.tx.raw)
    assert await direct.result("eth_getTransactionByBlockHashAndIndex", text(built.chained.id), "0x0") == mined
    assert await direct.result("eth_getTransactionByBlockNumberAndIndex", "0x1", "0x0") == mined
    assert await direct.result("eth_getTransactionByBlockNumberAndIndex", "0x1", "0x1") is None
    assert await direct.result("eth_getBlockReceipts", "0x1") == [receipt]
    assert await direct.result("eth_getBlockReceipts", text(built.chained.id)) == [receipt]


async def test_blocks(world: World, direct: Direct) -> None:
    await send(direct, sign(DEVNET_KEYS[0], to=BOB, value=9))
    built = world.mine(extra=b"hello")
    block = await direct.record("eth_getBlockByNumber", "latest", True)
    assert block.keys() == BLOCK_FIELDS
    assert block["hash"] == text(header_id(built.chained.header))
    assert block["extraData"] == text(b"hello")
    assert (block["difficulty"], block["number"], block["gasUsed"], block["uncles"]) == ("0x0", "0x1", "0x5208", [])
    transactions = block["transactions"]
    assert isinstance(transactions, list)
    hashes = await direct.record("eth_getBlockByHash", block["hash"])
    assert hashes["transactions"] == [transactions[0]["hash"]]
    assert await direct.result("eth_getBlockTransactionCountByNumber", "0x1") == "0x1"
    assert await direct.result("eth_getBlockTransactionCountByHash", block["hash"]) == "0x1"
    assert await direct.result("eth_getUncleCountByBlockNumber", "0x1") == "0x0"
    assert await direct.result("eth_getUncleCountByBlockHash", "0x" + "11" * 32) is None
    for missing in ("0x2", "0xffffffffffffffff"):
        assert await direct.result("eth_getBlockByNumber", missing, False) is None
    assert await direct.result("eth_getBlockByHash", "0x" + "11" * 32, False) is None
    assert (await direct.record("eth_getBlockByNumber", "earliest"))["number"] == "0x0"
    for tag in ("safe", "finalized"):
        assert (await direct.record("eth_getBlockByNumber", tag))["number"] == "0x0"


async def test_the_pending_block(world: World, direct: Direct) -> None:
    signed = sign(DEVNET_KEYS[0], to=BOB, value=9)
    await send(direct, signed)
    block = await direct.record("eth_getBlockByNumber", "pending", True)
    assert block.keys() == BLOCK_FIELDS
    assert (block["hash"], block["nonce"], block["number"]) == (None, None, "0x1")
    assert block["parentHash"] == text(world.view.head().id)
    assert block["baseFeePerGas"] == hex(world.params.initial_base_fee)
    assert await direct.result("eth_getBlockTransactionCountByNumber", "pending") == "0x1"
    found = await direct.record("eth_getTransactionByBlockNumberAndIndex", "pending", "0x0")
    assert found["hash"] == text(signed.tx.hash)


async def test_what_the_next_block_would_take_is_chosen_once_a_second(
    world: World, direct: Direct, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = []
    pending = world.pool.pending

    def counted(base_fee: Wei) -> object:
        chosen.append(base_fee)
        return pending(base_fee)

    monkeypatch.setattr(world.pool, "pending", counted)
    for number in range(FEW_PENDING + 2):
        await send(direct, sign(DEVNET_KEYS[number % 2], to=BOB, value=9, nonce=number // 2))
        count = await direct.result("eth_getBlockTransactionCountByNumber", "pending")
        assert count == hex(min(number + 1, FEW_PENDING)), "one that just came in is there while few wait"
    before = len(chosen)
    for _ in range(100):
        await direct.result("eth_getBlockTransactionCountByNumber", "pending")
        await direct.result("eth_getTransactionByBlockNumberAndIndex", "pending", "0x0")
        await direct.result("eth_getBlockByNumber", "pending", False)
    assert len(chosen) == before
    world.now = Millis(world.now + PENDING_FOR)
    assert await direct.result("eth_getBlockTransactionCountByNumber", "pending") == hex(FEW_PENDING + 2)
    world.mine()
    assert await direct.result("eth_getBlockTransactionCountByNumber", "pending") == "0x0"


async def test_state_of_any_block(world: World, direct: Direct) -> None:
    for nonce in range(3):
        await send(direct, sign(DEVNET_KEYS[0], to=BOB, value=10, nonce=nonce))
        world.mine()
    middle = world.view.header_at(2)
    assert middle is not None
    for selector in ("0x2", text(middle.id), {"blockNumber": "0x2"}, {"blockHash": text(middle.id)}):
        assert await direct.result("eth_getBalance", text(BOB), selector) == "0x14"
        assert await direct.result("eth_getTransactionCount", text(ALICE), selector) == "0x2"
    canonical = {"blockHash": text(middle.id), "requireCanonical": True}
    assert await direct.result("eth_getBalance", text(BOB), canonical) == "0x14"
    assert await direct.error("eth_getBalance", text(BOB), "0x4") == (-32000, "header not found")
    side = world.mine(parent=world.view.header_at(1), extra=b"side").chained
    aside = {"blockHash": text(side.id), "requireCanonical": True}
    assert await direct.error("eth_getBalance", text(BOB), aside) == (-32000, "hash is not currently canonical")
    assert await direct.result("eth_getBalance", text(BOB), {"blockHash": text(side.id)}) == "0xa"


@pytest.mark.parametrize("selector", NO_BLOCKS)
async def test_blocks_that_nobody_means(direct: Direct, selector: object) -> None:
    assert (await direct.error("eth_getBalance", text(BOB), selector))[0] == -32602


async def test_code_and_storage_of_the_staking_account(direct: Direct) -> None:
    assert await direct.result("eth_getCode", SYSTEM, "latest") != "0x"
    assert await direct.result("eth_getCode", text(BOB), "latest") == "0x"
    assert await direct.result("eth_getStorageAt", SYSTEM, "0x0", "latest") != "0x" + "00" * 32
    assert await direct.result("eth_getStorageAt", text(BOB), "0x" + "00" * 32, "latest") == "0x" + "00" * 32


async def test_proofs_take_slots_in_both_forms(direct: Direct) -> None:
    slots = ["0x0", "0x" + "00" * 31 + "01", "0x0"]
    proof = await direct.record("eth_getProof", SYSTEM, slots, "latest")
    assert proof.keys() == PROOF_FIELDS
    found = proof["storageProof"]
    assert isinstance(found, list)
    assert [slot["key"] for slot in found] == ["0x" + "00" * 32, "0x" + "00" * 31 + "01", "0x" + "00" * 32]
    assert found[0] == found[2]
    too_many = ["0x0"] * 1025
    assert (await direct.error("eth_getProof", SYSTEM, too_many))[0] == -32602


async def test_calls_as_clients_make_them(direct: Direct) -> None:
    payment = {"from": text(ALICE), "to": text(BOB), "value": "0x1"}
    rabby = {**payment, "gasPrice": "0x0", "data": "0x"}
    web3js = {**payment, "chain": "mainnet", "hardfork": "london", "networkId": "0x1", "data": "0x"}
    cast = {**payment, "data": "0x", "input": "0x", "accessList": []}
    for call in (payment, rabby, web3js, cast):
        assert await direct.result("eth_estimateGas", call) == "0x5208"
        assert await direct.result("eth_estimateGas", call, "pending") == "0x5208"
        assert await direct.result("eth_call", call, "latest") == "0x"
    with_data = {**payment, "data": "0x00ff"}
    assert await direct.result("eth_estimateGas", with_data) == hex(21_000 + 4 + 16)
    listed = {**payment, "accessList": [{"address": text(BOB), "storageKeys": ["0x" + "00" * 32]}]}
    assert await direct.result("eth_estimateGas", listed) == hex(21_000 + 2_400 + 1_900)


async def test_calls_that_cannot_be(direct: Direct) -> None:
    poor = {"from": "0x" + "99" * 20, "to": text(BOB), "value": "0x1"}
    for method in ("eth_call", "eth_estimateGas"):
        code, message = await direct.error(method, poor)
        assert code == -32000
        assert message.startswith("insufficient funds for transfer")
        code, message = await direct.error(method, {"from": text(ALICE), "data": "0x00"})
        assert code == -32000
        assert "contract creation is not supported" in message
        code, message = await direct.error(method, {"to": text(BOB), "gas": "0x5207"})
        assert (code, message.partition(":")[0]) == (-32000, "intrinsic gas too low")
        code, message = await direct.error(method, {"to": text(BOB), "data": "0x01", "input": "0x02"})
        assert code == -32000
        assert 'both "data" and "input" are set and not equal' in message
        fees = {"to": text(BOB), "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x2"}
        assert (await direct.error(method, fees))[1] == "max priority fee per gas higher than max fee per gas"
        assert (await direct.error(method, {"to": text(BOB), "gasPrice": "0x1", "maxFeePerGas": "0x1"}))[0] == -32000
    code, message = await direct.error("eth_estimateGas", {"from": text(ALICE), "to": SYSTEM, "data": "0x11223344"})
    assert code == 3
    assert message.startswith("execution reverted")


async def test_a_revert_carries_its_reason(direct: Direct) -> None:
    call = {"from": text(ALICE), "to": SYSTEM, "data": text(encode_withdraw())}
    for method in ("eth_call", "eth_estimateGas"):
        answer = await direct.reply(method, call)
        error = answer["error"]
        assert isinstance(error, dict)
        assert error["code"] == 3
        assert error["message"].startswith("execution reverted: ")
        assert error["data"].startswith("0x08c379a0")


SEND_ERRORS = [
    ({"nonce": 0, "max_fee": GWEI * 3, "kind": TxType.LEGACY, "chain_id": 1}, "invalid chain id for signer"),
    ({"nonce": 0, "value": 10**30}, "insufficient funds for gas * price + value"),
    ({"nonce": 0, "gas": 20_999}, "intrinsic gas too low"),
    ({"nonce": 0, "tip": 3 * GWEI, "max_fee": 2 * GWEI}, "max priority fee per gas higher than max fee per gas"),
    ({"nonce": 0, "tip": 10**7, "max_fee": 10**8}, "max fee per gas less than block base fee"),
]


@pytest.mark.parametrize(("changes", "expected"), SEND_ERRORS)
async def test_texts_that_clients_sort_errors_by(direct: Direct, changes: dict[str, object], expected: str) -> None:
    signed = sign(DEVNET_KEYS[0], **{"to": BOB, **changes})  # type: ignore[arg-type]
    code, message = await direct.error("eth_sendRawTransaction", text(signed.tx.raw))
    assert code == -32000
    assert message.startswith(expected)


async def test_texts_about_nonces(world: World, direct: Direct) -> None:
    first = sign(DEVNET_KEYS[0], to=BOB, max_fee=10 * GWEI, tip=10 * GWEI)
    await send(direct, first)
    assert (await direct.error("eth_sendRawTransaction", text(first.tx.raw)))[1].startswith("already known")
    under = sign(DEVNET_KEYS[0], to=BOB, max_fee=11 * GWEI - 1, tip=11 * GWEI - 1)
    code, message = await direct.error("eth_sendRawTransaction", text(under.tx.raw))
    assert (code, message.partition(":")[0]) == (-32000, "replacement transaction underpriced")
    exactly = sign(DEVNET_KEYS[0], to=BOB, max_fee=11 * GWEI, tip=11 * GWEI)
    await send(direct, exactly)
    assert await direct.result("eth_getTransactionByHash", text(first.tx.hash)) is None
    world.mine()
    late = sign(DEVNET_KEYS[0], to=BOB, value=5)
    assert (await direct.error("eth_sendRawTransaction", text(late.tx.raw)))[1].startswith("nonce too low")


async def test_an_unprotected_transaction(direct: Direct) -> None:
    # v = 27: the example of EIP-155 before EIP-155
    raw = (
        "0xf86c098504a817c800825208943535353535353535353535353535353535353535880de0b6b3a76400008"
        "01ba028ef61340bd939bc2195fe537567866003e1a15d3c71ff63e1590620aa636276"
        "a067cbe9d8997f761aecb703304b3800ccf555c9f3dc64214b297fb1966a3b6d83"
    )
    message = "only replay-protected (EIP-155) transactions allowed over RPC"
    code, got = await direct.error("eth_sendRawTransaction", raw)
    assert code == -32000
    assert got.startswith(message)


@pytest.mark.parametrize("raw", ["0x", "0x00", "0xc0", "0x03" + "00" * 40, "0x02c0"])
async def test_bytes_that_are_no_transaction(direct: Direct, raw: str) -> None:
    assert (await direct.error("eth_sendRawTransaction", raw))[0] == -32000


async def test_logs_of_a_deposit(world: World, direct: Direct) -> None:
    await send(direct, sign(DEVNET_KEYS[1], to=BOB, value=1, tip=2 * GWEI, max_fee=5 * GWEI))
    tx_hash = await send(direct, deposit())
    built = world.mine()
    world.mine()
    receipt = await direct.record("eth_getTransactionReceipt", tx_hash)
    logs = receipt["logs"]
    assert isinstance(logs, list)
    assert len(logs) == 1
    assert logs[0]["transactionIndex"] == receipt["transactionIndex"] == "0x1"
    owner = logs[0]["topics"][1]
    everything: dict[str, object] = {"fromBlock": "0x0", "toBlock": "latest"}
    wanted: list[dict[str, object]] = [
        everything,
        {**everything, "address": SYSTEM},
        {**everything, "address": [text(BOB), SYSTEM], "topics": [None, [owner, "0x" + "00" * 32]]},
        {**everything, "topics": [logs[0]["topics"][0]]},
        {**everything, "topics": [[]]},
        {"blockHash": text(built.chained.id)},
        {"fromBlock": "earliest", "toBlock": "0xffff"},
    ]
    for criteria in wanted:
        assert await direct.result("eth_getLogs", criteria) == logs
        assert await direct.result("eth_getLogs", criteria) == logs  # the second time from memory
    unwanted: list[dict[str, object]] = [
        {},
        {**everything, "address": text(BOB)},
        {**everything, "topics": [owner]},
        {"fromBlock": "0x0", "toBlock": "0x0"},
        {"fromBlock": "0xfff0", "toBlock": "0xffff"},
    ]
    for criteria in unwanted:
        assert await direct.result("eth_getLogs", criteria) == []
    assert (await direct.error("eth_getLogs", {"fromBlock": "0x2", "toBlock": "0x1"}))[0] == -32602
    assert (await direct.error("eth_getLogs", {"blockHash": "0x" + "11" * 32})) == (-32000, "unknown block")
    both = {"blockHash": "0x" + "11" * 32, "fromBlock": "0x1"}
    assert (await direct.error("eth_getLogs", both))[0] == -32602


async def test_limits_of_log_queries() -> None:
    world = World(RpcLimits(log_blocks=2, log_results=1, log_criteria=2))
    direct = Direct(world)
    for nonce in range(2):
        await send(direct, deposit(nonce))
        world.mine()
    assert (await direct.error("eth_getLogs", {"fromBlock": "0x0", "toBlock": "0x2"}))[0] == -32005
    code, message = await direct.error("eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x2"})
    assert (code, message) == (-32005, "query returned more than 1 results")
    assert (await direct.error("eth_getLogs", {"address": [SYSTEM] * 3}))[0] == -32602
    assert (await direct.error("eth_getLogs", {"topics": [None] * 5}))[0] == -32602
    world = World(RpcLimits(log_receipts=0))
    direct = Direct(world)
    await send(direct, deposit())
    world.mine()
    code, message = await direct.error("eth_getLogs", {"fromBlock": "0x0"})
    assert (code, message.partition(",")[0]) == (-32005, "query reads over 0 receipts")


async def test_own_facts(world: World, direct: Direct) -> None:
    built = world.mine(miner=BOB)
    status = await direct.record("mappemonde_status")
    assert status["peerId"] == PEER_A.hex()
    assert (status["network"], status["peers"], status["peersOut"]) == ("devnet", 2, 1)
    assert status["map"] == {"peers": 3, "links": 2}
    head = await direct.record("mappemonde_head")
    assert status["head"] == head
    assert head["hash"] == text(built.chained.id)
    assert head["interval"] == built.chained.time - world.builder.root.time
    assert head["pow"] == text(built.chained.sealed.pow.to_bytes(32, "big"))
    assert await direct.result("mappemonde_head", "0x9") is None
    heads = await direct.result("mappemonde_heads", 5)
    assert isinstance(heads, list)
    assert [found["number"] for found in heads] == ["0x1", "0x0"]
    supply = await direct.record("mappemonde_supply")
    assert supply["subsidies"] == hex(world.params.subsidy_at(1))
    assert supply["total"] == supply["issued"]
    chain = await direct.record("mappemonde_chain")
    assert (chain["chainId"], chain["blockTime"]) == (156_900, 12_000)
    staking = await direct.record("mappemonde_staking")
    assert staking["address"] == SYSTEM
    health = await direct.record("mappemonde_health")
    assert health["components"] == 1


async def test_peers_and_map_have_no_addresses(direct: Direct) -> None:
    peers = await direct.result("mappemonde_peers")
    assert isinstance(peers, list)
    assert [(peer["id"], peer["direction"], peer["signalled"]) for peer in peers] == [
        (PEER_B.hex(), "out", "rendezvous"),
        (PEER_C.hex(), "in", "relayed"),
    ]
    assert all("address" not in peer for peer in peers)
    page = await direct.record("mappemonde_map", None, 2)
    assert page["next"] == PEER_B.hex()
    assert page["links"] == [{"origin": PEER_A.hex(), "target": PEER_B.hex(), "rttClass": 3}]
    rest = await direct.record("mappemonde_map", page["next"], 2)
    assert rest["next"] is None
    assert rest["links"] == [{"origin": PEER_C.hex(), "target": PEER_A.hex(), "rttClass": 5}]


async def test_get_work(world: World, direct: Direct) -> None:
    assert await direct.result("mappemonde_submitWork", "0x" + "00" * 32, "0x" + "00" * 8) == "stale"
    work = world.new_work(1)
    found = await direct.record("mappemonde_getWork")
    assert found["id"] == text(work.id)
    assert found["header"] == text(work.header)
    assert await direct.result("mappemonde_submitWork", text(work.id), "0x" + "00" * 8, "rig 1") == "best"
    assert await direct.result("mappemonde_submitWork", text(work.id), "0x" + "01" * 8) == "share"
    assert world.mining.shares == [(bytes(8), "rig 1"), (b"\x01" * 8, "")]
    assert (await direct.error("mappemonde_submitWork", text(work.id), "0x00"))[0] == -32602
    assert (await direct.error("mappemonde_submitWork", text(work.id), "0x" + "00" * 8, "a\nb"))[0] == -32602
    without = World()
    object.__setattr__(without.parts, "mining", None)
    assert (await Direct(without).error("mappemonde_getWork"))[0] == -32000


async def test_get_work_waits_for_other_work(world: World, direct: Direct) -> None:
    old = world.new_work(1)
    waiting = asyncio.create_task(direct.record("mappemonde_getWork", text(old.id)))
    await asyncio.sleep(0)
    assert not waiting.done()
    new = world.new_work(2)
    assert (await waiting)["id"] == text(new.id)


async def test_get_work_gives_up_waiting() -> None:
    world = World(RpcLimits(work_wait=Millis(1), work_waiters=1))
    old = world.new_work(1)
    assert (await Direct(world).record("mappemonde_getWork", text(old.id)))["id"] == text(old.id)


async def test_too_many_miners_wait() -> None:
    world = World(RpcLimits(work_waiters=0))
    assert (await Direct(world).error("mappemonde_getWork"))[0] == -32005


async def test_a_pruned_state_is_told(world: World, direct: Direct, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(world.store), "trie_node", lambda _store, _hash: None)
    code, message = await direct.error("eth_getBalance", text(BOB), "latest")
    assert code == -32000
    assert "was pruned" in message
