"""Receipts and logs as Ethereum encodes them (yellow paper 4.3.1; EIP-658 status; EIP-2718 envelopes)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from chain.primitives import rlp
from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.fields import bytes_field, int_field, list_field
from chain.primitives.hashing import keccak256
from chain.primitives.units import Address, Gas, Hash32
from chain.transaction import TxType

BLOOM_BYTES = 256
EMPTY_BLOOM = bytes(BLOOM_BYTES)
_BLOOM_HEAD = b"\xb9\x01\x00"
"""RLP head of 256 bytes."""

MAX_RECEIPTS_BYTES = 16 * 1024 * 1024
"""Longest encoding of a block's receipts: 5,714 transactions (120 million gas) need under 3 MiB with their logs."""
MAX_RECEIPTS = 1 << 16
MAX_LOGS = 64
"""A call of the staking account leaves one log."""
MAX_TOPICS = 4


@dataclass(frozen=True, slots=True)
class Log:
    """An event of the staking account, the only one that emits any."""

    address: Address
    topics: tuple[Hash32, ...]
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a transaction did."""

    type: TxType
    succeeded: bool
    cumulative_gas_used: Gas
    """Gas used in the block up to and with this transaction."""
    bloom: bytes
    """256-byte filter of the logs' addresses and topics (yellow paper 4.3.1)."""
    logs: tuple[Log, ...]


def logs_bloom(logs: Iterable[Log]) -> bytes:
    """Return the filter of the logs' addresses and topics: three bits each (yellow paper 4.3.1, M3:2048)."""
    bits = 0
    for log in logs:
        for entry in (log.address, *log.topics):
            digest = keccak256(entry)
            for position in (0, 2, 4):
                bits |= 1 << (int.from_bytes(digest[position : position + 2], "big") & 2047)
    return bits.to_bytes(BLOOM_BYTES, "big") if bits else EMPTY_BLOOM


def union_bloom(blooms: Iterable[bytes]) -> bytes:
    """Return the filter of a block: the union of its receipts' filters."""
    bits = 0
    for bloom in blooms:
        if bloom is not EMPTY_BLOOM:
            bits |= int.from_bytes(bloom, "big")
    return bits.to_bytes(BLOOM_BYTES, "big") if bits else EMPTY_BLOOM


def make_receipt(kind: TxType, *, succeeded: bool, cumulative_gas_used: Gas, logs: tuple[Log, ...] = ()) -> Receipt:
    """Return a receipt with the bloom of its logs."""
    return Receipt(kind, succeeded, cumulative_gas_used, logs_bloom(logs) if logs else EMPTY_BLOOM, logs)


def receipt_envelope(receipt: Receipt) -> bytes:
    """Return the receipt as the receipts trie holds it: RLP, behind the type byte unless legacy (EIP-2718)."""
    logs = rlp.encode([(log.address, log.topics, log.data) for log in receipt.logs]) if receipt.logs else b"\xc0"
    gas = rlp.encode(rlp.encode_int(receipt.cumulative_gas_used))
    fields = (b"\x01" if receipt.succeeded else b"\x80") + gas + _BLOOM_HEAD + receipt.bloom + logs
    payload = rlp.list_head(len(fields)) + fields
    return payload if receipt.type is TxType.LEGACY else bytes((receipt.type,)) + payload


def encode_receipts(receipts: Sequence[Receipt]) -> bytes:
    """Return the receipts of a block as storage keeps them; blooms are left out, since they follow from the logs."""
    return pack(
        [
            [
                int(receipt.type),
                int(receipt.succeeded),
                receipt.cumulative_gas_used,
                [[log.address, list(log.topics), log.data] for log in receipt.logs],
            ]
            for receipt in receipts
        ]
    )


def decode_receipts(raw: bytes) -> tuple[Receipt, ...]:
    """Return the receipts that `encode_receipts` wrote. Raises `Malformed`."""
    items = list_field(unpack(raw, max_bytes=MAX_RECEIPTS_BYTES, max_items=MAX_RECEIPTS), most=MAX_RECEIPTS)
    return tuple(_decode_receipt(item) for item in items)


def _decode_receipt(item: object) -> Receipt:
    kind, status, gas, logs = list_field(item, count=4)
    number = int_field(kind)
    if number > max(TxType):
        raise Malformed(f"no transaction type {number}")
    return make_receipt(
        TxType(number),
        succeeded=bool(int_field(status, below=2)),
        cumulative_gas_used=Gas(int_field(gas)),
        logs=tuple(_decode_log(log) for log in list_field(logs, most=MAX_LOGS)),
    )


def _decode_log(item: object) -> Log:
    address, topics, data = list_field(item, count=3)
    return Log(
        Address(bytes_field(address, size=20)),
        tuple(Hash32(bytes_field(topic, size=32)) for topic in list_field(topics, most=MAX_TOPICS)),
        bytes_field(data),
    )
