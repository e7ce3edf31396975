"""Headers, tickets and blocks: one encoding each, everything else refused."""

from dataclasses import fields, replace
from itertools import pairwise

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.block import (
    HEADER_MAX_BYTES,
    SEALED_MAX_BYTES,
    TICKET_MAX_BYTES,
    Block,
    Header,
    SealedHeader,
    Ticket,
    decode_block,
    decode_body,
    decode_header,
    decode_sealed,
    decode_ticket,
    encode_block,
    encode_body,
    encode_header,
    encode_sealed,
    encode_ticket,
    encoded_size,
    header_id,
    ticket_commitment,
)
from chain.genesis import load_genesis
from chain.primitives.canonical import integer_bytes, pack
from chain.primitives.errors import Malformed
from chain.primitives.hashing import keccak256
from chain.primitives.units import ZERO_HASH, Address, Gas, Hash32, Millis, Wei
from tests.helpers.transactions import key_of, sign

PARAMS = load_genesis("devnet").params
TO = Address(b"\x22" * 20)

_hash = st.binary(min_size=32, max_size=32).map(Hash32)
_address = st.binary(min_size=20, max_size=20).map(Address)
_time = st.integers(0, 2**53 - 1)

HEADERS = st.builds(
    Header,
    version=st.integers(0, 2**16 - 1),
    height=_time,
    parent_id=_hash,
    parent_time=_time.map(Millis),
    parent_err=st.integers(-(2**53), 2**53 - 1),
    mined_at=_time.map(Millis),
    miner=_address,
    state_root=_hash,
    transactions_root=_hash,
    receipts_root=_hash,
    gas_used=st.integers(0, 2**64 - 1).map(Gas),
    base_fee=st.integers(0, 2**256 - 1).map(Wei),
    extra=st.binary(max_size=32),
    ticket_commitment=_hash,
    handicap=st.integers(0, 2**32 - 1).map(Millis),
    mix=_hash,
    stakes=_hash,
    nonce=st.binary(min_size=8, max_size=8),
)
TICKETS = st.builds(
    Ticket,
    validator_key=st.binary(min_size=33, max_size=33),
    vrf_proof=st.binary(min_size=81, max_size=81),
    reward_address=_address,
    signature=st.binary(min_size=64, max_size=64),
)
SEALED = st.builds(SealedHeader, HEADERS, st.integers(0, 2**256 - 1), st.none() | TICKETS)

_LARGEST = Header(
    version=2**16 - 1,
    height=2**53 - 1,
    parent_id=ZERO_HASH,
    parent_time=Millis(2**53 - 1),
    parent_err=-(2**53),
    mined_at=Millis(2**53 - 1),
    miner=Address(bytes(20)),
    state_root=ZERO_HASH,
    transactions_root=ZERO_HASH,
    receipts_root=ZERO_HASH,
    gas_used=Gas(2**64 - 1),
    base_fee=Wei(2**256 - 1),
    extra=bytes(32),
    ticket_commitment=ZERO_HASH,
    handicap=Millis(2**32 - 1),
    mix=ZERO_HASH,
    stakes=ZERO_HASH,
    nonce=bytes(8),
)
_TICKET = Ticket(bytes(33), bytes(81), Address(bytes(20)), bytes(64))


@pytest.mark.slow
@given(SEALED)
def test_what_is_encoded_comes_back(sealed: SealedHeader) -> None:
    raw = encode_header(sealed.header)
    assert decode_header(raw) == sealed.header
    assert raw.endswith(sealed.header.nonce)
    assert header_id(sealed.header) == keccak256(raw)
    assert decode_sealed(encode_sealed(sealed)) == sealed
    if sealed.ticket is not None:
        assert decode_ticket(encode_ticket(sealed.ticket)) == sealed.ticket
        assert ticket_commitment(sealed.ticket) == keccak256(encode_ticket(sealed.ticket))


def test_limits_are_the_longest_encodings() -> None:
    assert len(encode_header(_LARGEST)) == HEADER_MAX_BYTES
    assert len(encode_ticket(_TICKET)) == TICKET_MAX_BYTES
    assert len(encode_sealed(SealedHeader(_LARGEST, 2**256 - 1, _TICKET))) <= SEALED_MAX_BYTES


def test_turning_the_nonce_in_place_is_turning_it_in_the_record() -> None:
    raw = bytearray(encode_header(_LARGEST))
    raw[-8:] = b"12345678"
    assert decode_header(bytes(raw)) == replace(_LARGEST, nonce=b"12345678")


def test_without_a_ticket_the_commitment_is_zero() -> None:
    assert ticket_commitment(None) == ZERO_HASH


_BAD_VALUES: list[object] = [-1, 2**53, 2**64 - 1, None, True, b"", bytes(31), bytes(33), bytes(20), "text", [], 1.5]


@pytest.mark.parametrize("place", range(len(fields(Header))))
def test_fields_out_of_range_are_refused(place: int) -> None:
    items = msgpack.unpackb(encode_header(_LARGEST), raw=False)
    name = fields(Header)[place].name
    for value in _BAD_VALUES:
        changed = [*items[:place], value, *items[place + 1 :]]
        raw = msgpack.packb(changed)
        allowed = (
            (name == "parent_err" and value == -1)
            or (name == "gas_used" and value in (2**53, 2**64 - 1))
            or (name == "base_fee" and value == b"")
            or (name == "extra" and type(value) is bytes and len(value) <= 32)
            or (name == "miner" and value == bytes(20))
        )
        if allowed and value is not True:
            assert decode_header(raw) is not None
            continue
        with pytest.raises(Malformed):
            decode_header(raw)


@pytest.mark.parametrize("count", [0, 17, 19])
def test_a_header_has_eighteen_fields(count: int) -> None:
    items = [*msgpack.unpackb(encode_header(_LARGEST), raw=False), 0][:count]
    with pytest.raises(Malformed):
        decode_header(pack(items))


def test_other_encodings_of_the_same_values_are_refused() -> None:
    header = replace(_LARGEST, version=1, height=5, extra=b"", base_fee=Wei(0))
    raw = encode_header(header)
    head = raw[:3]  # array 16
    assert head == b"\xdc\x00\x12"
    for other in (
        b"\xdd\x00\x00\x00\x12" + raw[3:],  # array 32
        head + b"\xcc\x01" + raw[4:],  # version as uint 8
        head + b"\xcd\x00\x01" + raw[4:],
        head + b"\xd0\x01" + raw[4:],  # as int 8
        raw[:-10] + b"\xc5\x00\x08" + raw[-8:],  # nonce as bin 16
        raw[:-10] + b"\xa8" + raw[-8:],  # as a text
        raw + b"\x00",
        raw[:-1],
    ):
        with pytest.raises(Malformed):
            decode_header(other)
    zero_padded = msgpack.unpackb(raw, raw=False)
    zero_padded[11] = b"\x00"
    with pytest.raises(Malformed):
        decode_header(pack(zero_padded))


@given(HEADERS, st.integers(0, 400), st.integers(0, 255))
def test_a_changed_byte_gives_another_header_or_none(header: Header, place: int, byte: int) -> None:
    raw = bytearray(encode_header(header))
    raw[place % len(raw)] = byte
    try:
        found = decode_header(bytes(raw))
    except Malformed:
        return
    assert encode_header(found) == raw
    assert (found == header) == (bytes(raw) == encode_header(header))


@given(st.binary(max_size=SEALED_MAX_BYTES + 8))
def test_any_bytes_are_decoded_or_malformed(raw: bytes) -> None:
    for decode in (
        decode_header,
        decode_sealed,
        decode_ticket,
        lambda raw: decode_body(raw, PARAMS),
        lambda raw: decode_block(raw, PARAMS),
    ):
        try:
            decode(raw)
        except Malformed:
            continue


def test_blocks_and_bodies_come_back() -> None:
    transactions = tuple(sign(key_of(3), to=TO, nonce=nonce, data=bytes(nonce * 90)).tx for nonce in range(4))
    body = encode_body(transactions)
    assert decode_body(body, PARAMS) == transactions
    assert len(body) == 1 + sum(encoded_size(tx.raw) for tx in transactions)
    block = Block(SealedHeader(_LARGEST, 5, _TICKET), transactions)
    assert decode_block(encode_block(block), PARAMS) == block


def test_bodies_are_bounded_and_their_transactions_valid() -> None:
    transaction = sign(key_of(3), to=TO).tx
    body = encode_body([transaction] * 3)
    with pytest.raises(Malformed, match="at most"):
        decode_body(body, replace(PARAMS, max_body_bytes=len(body) - 1))
    with pytest.raises(Malformed):
        decode_body(body, replace(PARAMS, gas_limit=Gas(42_000)))
    with pytest.raises(Malformed, match="invalid chain id"):
        decode_body(body, replace(PARAMS, chain_id=1))
    with pytest.raises(Malformed):
        decode_body(pack([transaction.raw, 5]), PARAMS)


def test_sizes_of_envelopes_are_those_of_msgpack() -> None:
    for size in (0, 255, 256, 2**16 - 1, 2**16):
        assert encoded_size(bytes(size)) == len(pack(bytes(size)))


def test_pow_is_a_minimal_number() -> None:
    sealed = encode_sealed(SealedHeader(_LARGEST, 5, None))
    items = msgpack.unpackb(sealed, raw=False)
    assert items[1] == integer_bytes(5)
    with pytest.raises(Malformed):
        decode_sealed(pack([items[0], b"\x00\x05", None]))


def test_every_field_changes_the_id() -> None:
    changed: list[Header] = [_LARGEST]
    for field in fields(Header):
        value = getattr(_LARGEST, field.name)
        other = value - 1 if isinstance(value, int) else bytes((value[0] ^ 1,)) + value[1:]
        changed.append(replace(_LARGEST, **{field.name: other}))  # type: ignore[arg-type]  # of the field's own type
    ids = sorted(header_id(header) for header in changed)
    assert all(first != second for first, second in pairwise(ids))
