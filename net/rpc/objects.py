"""Blocks, transactions, receipts, logs and proofs as JSON objects: names and forms of execution-apis.

Receipts get no member beside the schema's, which closes the object (shared/WALLET_RPC.md).
"""

from collections.abc import Sequence

from chain.block import ChainedHeader
from chain.params import ChainParams
from chain.primitives.hashing import keccak256
from chain.primitives.units import ZERO_ADDRESS, ZERO_HASH, Hash32, Wei
from chain.receipt import Log
from chain.state import AccountProof
from chain.transaction import SignedTransaction, Transaction, TxType
from net.rpc.blocks import LoadedBlock
from net.rpc.encoding import Json, data, quantity

NO_UNCLES = data(keccak256(b"\xc0"))
"""Keccak-256 of an empty RLP list."""

EMPTY_BLOOM = data(bytes(256))

Object = dict[str, Json]


def timestamp(block: ChainedHeader) -> int:
    """Return the RPC timestamp in seconds: `time // 1000` (DESIGN section 5, rule 5)."""
    return block.time // 1000


def effective_price(tx: Transaction, base_fee: Wei) -> int:
    """Return what a mined transaction paid per gas (EIP-1559)."""
    return min(tx.max_fee, base_fee + tx.max_priority_fee)


def header_json(loaded: LoadedBlock, params: ChainParams) -> Object:
    """Return the members that a block and `newHeads` share."""
    chained = loaded.chained
    header = chained.header
    return {
        "number": quantity(header.height),
        "hash": data(chained.id),
        "parentHash": data(header.parent_id),
        "nonce": data(header.nonce),
        "mixHash": data(header.mix),
        "sha3Uncles": NO_UNCLES,
        "logsBloom": data(loaded.bloom),
        "transactionsRoot": data(header.transactions_root),
        "stateRoot": data(header.state_root),
        "receiptsRoot": data(header.receipts_root),
        "miner": data(header.miner),
        "difficulty": "0x0",
        "extraData": data(header.extra),
        "gasLimit": quantity(params.gas_limit),
        "gasUsed": quantity(header.gas_used),
        "timestamp": quantity(timestamp(chained)),
        "baseFeePerGas": quantity(header.base_fee),
    }


def block_json(loaded: LoadedBlock, params: ChainParams, *, full: bool) -> Object:
    """Return a block with its transactions whole, or their hashes."""
    block = header_json(loaded, params)
    block["size"] = quantity(loaded.size_bytes)
    block["uncles"] = []
    if full:
        chained = loaded.chained
        block["transactions"] = [
            transaction_json(signed, chained, index) for index, signed in enumerate(loaded.transactions)
        ]
    else:
        block["transactions"] = [data(signed.tx.hash) for signed in loaded.transactions]
    return block


def pending_block_json(
    head: ChainedHeader, params: ChainParams, base_fee: Wei, transactions: Sequence[SignedTransaction], *, full: bool
) -> Object:
    """Return the block that might come next; its hash, nonce and roots are not known."""
    return {
        "number": quantity(head.height + 1),
        "hash": None,
        "parentHash": data(head.id),
        "nonce": None,
        "mixHash": data(ZERO_HASH),
        "sha3Uncles": NO_UNCLES,
        "logsBloom": EMPTY_BLOOM,
        "transactionsRoot": data(ZERO_HASH),
        "stateRoot": data(ZERO_HASH),
        "receiptsRoot": data(ZERO_HASH),
        "miner": data(ZERO_ADDRESS),
        "difficulty": "0x0",
        "extraData": "0x",
        "gasLimit": quantity(params.gas_limit),
        "gasUsed": quantity(sum(signed.tx.gas_limit for signed in transactions)),
        "timestamp": quantity((head.time + params.block_time) // 1000),
        "baseFeePerGas": quantity(base_fee),
        "size": quantity(sum(len(signed.tx.raw) for signed in transactions)),
        "uncles": [],
        "transactions": [pending_json(signed) if full else data(signed.tx.hash) for signed in transactions],
    }


def transaction_json(signed: SignedTransaction, block: ChainedHeader, index: int) -> Object:
    """Return a mined transaction."""
    result = _transaction(signed)
    result["blockHash"] = data(block.id)
    result["blockNumber"] = quantity(block.height)
    result["blockTimestamp"] = quantity(timestamp(block))
    result["transactionIndex"] = quantity(index)
    result["gasPrice"] = quantity(effective_price(signed.tx, block.header.base_fee))
    return result


def pending_json(signed: SignedTransaction) -> Object:
    """Return a waiting transaction: its place is null."""
    result = _transaction(signed)
    result["blockHash"] = None
    result["blockNumber"] = None
    result["blockTimestamp"] = None
    result["transactionIndex"] = None
    result["gasPrice"] = quantity(signed.tx.max_fee)
    return result


def _transaction(signed: SignedTransaction) -> Object:
    tx = signed.tx
    result: Object = {
        "type": quantity(tx.type),
        "chainId": quantity(tx.chain_id),
        "nonce": quantity(tx.nonce),
        "gas": quantity(tx.gas_limit),
        "from": data(signed.sender),
        "to": data(tx.to),
        "value": quantity(tx.value),
        "input": data(tx.data),
        "r": quantity(tx.r),
        "s": quantity(tx.s),
        "v": quantity(tx.y_parity),
        "hash": data(tx.hash),
    }
    if tx.type is TxType.LEGACY:
        result["v"] = quantity(35 + 2 * tx.chain_id + tx.y_parity)
        return result
    result["yParity"] = quantity(tx.y_parity)
    result["accessList"] = [
        {"address": data(entry.address), "storageKeys": [data(slot) for slot in entry.slots]}
        for entry in tx.access_list
    ]
    if tx.type is TxType.DYNAMIC_FEE:
        result["maxFeePerGas"] = quantity(tx.max_fee)
        result["maxPriorityFeePerGas"] = quantity(tx.max_priority_fee)
    return result


def receipt_json(loaded: LoadedBlock, index: int, first_log: int) -> Object:
    """Return a receipt; `first_log` is the number of logs of the block's transactions before it."""
    chained = loaded.chained
    signed, receipt = loaded.transactions[index], loaded.receipts[index]
    before = loaded.receipts[index - 1].cumulative_gas_used if index else 0
    return {
        "type": quantity(receipt.type),
        "status": "0x1" if receipt.succeeded else "0x0",
        "cumulativeGasUsed": quantity(receipt.cumulative_gas_used),
        "logs": [log_json(log, loaded, index, first_log + place) for place, log in enumerate(receipt.logs)],
        "logsBloom": data(receipt.bloom),
        "transactionHash": data(signed.tx.hash),
        "transactionIndex": quantity(index),
        "blockHash": data(chained.id),
        "blockNumber": quantity(chained.height),
        "from": data(signed.sender),
        "to": data(signed.tx.to),
        "gasUsed": quantity(receipt.cumulative_gas_used - before),
        "contractAddress": None,
        "effectiveGasPrice": quantity(effective_price(signed.tx, chained.header.base_fee)),
    }


def receipts_json(loaded: LoadedBlock) -> list[Object]:
    """Return all receipts of a block."""
    result = []
    logs = 0
    for index, receipt in enumerate(loaded.receipts):
        result.append(receipt_json(loaded, index, logs))
        logs += len(receipt.logs)
    return result


def log_json(log: Log, loaded: LoadedBlock, tx_index: int, log_index: int, *, removed: bool = False) -> Object:
    """Return a log in its place; `removed` when its block has left the chain."""
    return {
        "address": data(log.address),
        "topics": [data(topic) for topic in log.topics],
        "data": data(log.data),
        "blockNumber": quantity(loaded.chained.height),
        "blockHash": data(loaded.chained.id),
        "transactionHash": data(loaded.transactions[tx_index].tx.hash),
        "transactionIndex": quantity(tx_index),
        "logIndex": quantity(log_index),
        "removed": removed,
    }


def proof_json(proof: AccountProof, asked: tuple[Hash32, ...]) -> Object:
    """Return an EIP-1186 proof, its slots in the order they were asked for."""
    by_slot = {slot.slot: slot for slot in proof.storage}
    return {
        "address": data(proof.address),
        "accountProof": [data(node) for node in proof.proof],
        "balance": quantity(proof.account.balance),
        "codeHash": data(proof.account.code_hash),
        "nonce": quantity(proof.account.nonce),
        "storageHash": data(proof.account.storage_root),
        "storageProof": [
            {
                "key": data(slot),
                "value": quantity(by_slot[slot].value),
                "proof": [data(node) for node in by_slot[slot].proof],
            }
            for slot in asked
        ],
    }
