"""Codecs of SYNC and BLOCK: what is encoded comes back, anything else is `Malformed`."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chain.block import SealedHeader, Ticket, header_id
from chain.exchange.compact import CompactBlock, decode_compact, encode_compact, make_compact, match, short_id
from chain.exchange.messages import (
    BODIES_MAX,
    HEADERS_MAX,
    LOCATOR_MAX,
    NAME_BYTES,
    NAMES_MAX,
    PARTS_MAX,
    PICKS_MAX,
    SALT_BYTES,
    Bodies,
    BodiesRequest,
    Headers,
    HeadersRequest,
    Kind,
    Parts,
    PartsRequest,
    Picked,
    PickRequest,
    Request,
    Response,
    Status,
    Waiting,
    WaitingRequest,
    decode_request,
    decode_response,
    encode_request,
    encode_response,
    name_of,
)
from chain.exchange.topics import SYNC_MAX_BYTES, TRANSACTION_MAX_BYTES
from chain.primitives.canonical import pack
from chain.primitives.errors import Malformed
from chain.primitives.units import Address, Hash32
from tests.helpers.exchange_chain import GENESIS
from tests.helpers.mempool_fakes import plain

hashes = st.binary(min_size=32, max_size=32).map(Hash32)
statuses = st.builds(Status, hashes, st.integers(0, 2**53 - 1), st.integers(0, 2**320 - 1))
sealed_headers = st.builds(
    lambda height, claim, ticket: SealedHeader(replace(GENESIS.header, height=height), claim, ticket),
    st.integers(0, 2**53 - 1),
    st.integers(0, 2**256 - 1),
    st.none() | st.just(Ticket(bytes(33), bytes(81), Address(bytes(20)), bytes(64))),
)
salts = st.binary(min_size=SALT_BYTES, max_size=SALT_BYTES)
names = st.binary(min_size=NAME_BYTES, max_size=NAME_BYTES)
requests = (
    statuses
    | st.builds(
        HeadersRequest, st.lists(hashes, min_size=1, max_size=LOCATOR_MAX).map(tuple), st.integers(1, HEADERS_MAX)
    )
    | st.builds(BodiesRequest, st.lists(hashes, min_size=1, max_size=BODIES_MAX).map(tuple))
    | st.builds(
        PartsRequest,
        hashes,
        st.sets(st.integers(0, PARTS_MAX - 1), min_size=1, max_size=20).map(lambda some: tuple(sorted(some))),
    )
    | st.just(WaitingRequest())
    | st.builds(
        PickRequest,
        salts,
        st.sets(st.integers(0, NAMES_MAX - 1), min_size=1, max_size=20).map(lambda some: tuple(sorted(some))),
    )
)
responses = (
    statuses
    | st.builds(Headers, st.lists(sealed_headers, max_size=4).map(tuple))
    | st.builds(Bodies, st.lists(st.none() | st.binary(max_size=50), max_size=BODIES_MAX).map(tuple))
    | st.builds(Parts, st.none() | st.lists(st.binary(max_size=50), max_size=9).map(tuple))
    | st.builds(Waiting, salts, st.lists(names, max_size=20, unique=True).map(tuple))
    | st.builds(Picked, st.none() | st.lists(st.none() | st.binary(max_size=50), max_size=9).map(tuple))
)


@given(requests)
def test_requests_come_back(request: Request) -> None:
    assert decode_request(encode_request(request)) == request


@given(responses)
def test_responses_come_back(response: Response) -> None:
    assert decode_response(encode_response(response)) == response


def only_malformed(raw: bytes) -> None:
    for decode in (decode_request, decode_response, decode_compact):
        try:
            decode(raw)
        except Malformed:
            continue


@given(st.binary(max_size=300))
def test_any_bytes_give_a_message_or_malformed(raw: bytes) -> None:
    only_malformed(raw)


items = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.binary(max_size=40) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=6),
    max_leaves=12,
)


@pytest.mark.slow
@given(st.lists(items, max_size=5))
def test_any_canonical_value_gives_a_message_or_malformed(value: list[object]) -> None:
    only_malformed(pack(value))
    only_malformed(pack([Kind.HEADERS, *value]))
    only_malformed(pack([Kind.PARTS, *value]))
    only_malformed(pack([Kind.WAITING, *value]))
    only_malformed(pack([Kind.PICK, *value]))


@given(requests | responses, st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_gives_a_message_or_malformed(message: Request | Response, place: int, change: int) -> None:
    if isinstance(message, Status | Headers | Bodies | Parts | Waiting | Picked):
        raw = bytearray(encode_response(message))
    else:
        raw = bytearray(encode_request(message))
    raw[place % len(raw)] ^= change
    only_malformed(bytes(raw))


@pytest.mark.parametrize(
    "raw",
    [
        pack([Kind.HEADERS, [bytes(32)] * (LOCATOR_MAX + 1), 1]),
        pack([Kind.HEADERS, [bytes(32)], HEADERS_MAX + 1]),
        pack([Kind.HEADERS, [], 1]),
        pack([Kind.BODIES, [bytes(32)] * (BODIES_MAX + 1)]),
        pack([Kind.PARTS, bytes(32), [1, 1]]),
        pack([Kind.PARTS, bytes(32), [2, 1]]),
        pack([Kind.PARTS, bytes(32), [PARTS_MAX]]),
        pack([Kind.STATUS, bytes(31), 1, b""]),
        pack([Kind.STATUS, bytes(32), 1, b"\x00\x01"]),
        pack([Kind.WAITING, 1]),
        pack([Kind.PICK, bytes(SALT_BYTES), []]),
        pack([Kind.PICK, bytes(SALT_BYTES), [1, 1]]),
        pack([Kind.PICK, bytes(SALT_BYTES), [NAMES_MAX]]),
        pack([Kind.PICK, bytes(SALT_BYTES), list(range(PICKS_MAX + 1))]),
        pack([Kind.PICK, bytes(SALT_BYTES + 1), [1]]),
        pack([len(Kind)]),
        pack([]),
        bytes(SYNC_MAX_BYTES + 1),
    ],
)
def test_what_passes_a_bound_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        decode_request(raw)


@pytest.mark.parametrize(
    "raw",
    [
        pack([Kind.WAITING, bytes(SALT_BYTES - 1), b""]),
        pack([Kind.WAITING, bytes(SALT_BYTES), bytes(NAME_BYTES + 1)]),
        pack([Kind.WAITING, bytes(SALT_BYTES), bytes(2 * NAME_BYTES)]),
        pack([Kind.WAITING, bytes(SALT_BYTES), bytes(range(NAME_BYTES)) * (NAMES_MAX + 1)]),
        pack([Kind.PICK, [None] * (PICKS_MAX + 1)]),
        pack([Kind.PICK, [bytes(TRANSACTION_MAX_BYTES + 1)]]),
    ],
    ids=["salt", "cut off", "the same", "too many", "too many given", "too long"],
)
def test_an_answer_that_passes_a_bound_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        decode_response(raw)


def test_a_list_of_as_many_names_as_there_may_be_comes_back() -> None:
    full = Waiting(bytes(SALT_BYTES), tuple(place.to_bytes(NAME_BYTES, "big") for place in range(NAMES_MAX)))
    raw = encode_response(full)
    assert len(raw) < 100_000
    assert decode_response(raw) == full


def test_names_are_keyed_by_the_salt() -> None:
    digest = plain(1, 0).tx.hash
    assert name_of(bytes(SALT_BYTES), digest) != name_of(bytes(SALT_BYTES - 1) + b"1", digest)


@given(st.lists(st.booleans(), max_size=12))
def test_a_compact_block_comes_back_and_is_completed_from_a_pool(known: list[bool]) -> None:
    signed = [plain(1, nonce) for nonce in range(len(known))]
    at = {item.tx.hash: elsewhere for item, elsewhere in zip(signed, known, strict=True)}
    compact = make_compact(GENESIS.sealed, GENESIS.id, [item.tx for item in signed], lambda digest: at[digest])
    assert decode_compact(encode_compact(compact)) == compact
    slots = compact.slots()
    names = iter(match(compact, GENESIS.id, [item.tx.hash for item in reversed(signed)]))
    for index, item in enumerate(signed):
        if known[index]:
            assert slots[index] is None
            assert next(names) == item.tx.hash
        else:
            assert slots[index] == item.tx.raw


def test_names_are_keyed_by_the_block_and_an_ambiguous_one_names_nothing() -> None:
    digest = plain(1, 0).tx.hash
    assert short_id(GENESIS.id, digest) != short_id(header_id(replace(GENESIS.header, height=1)), digest)
    compact = CompactBlock(GENESIS.sealed, (short_id(GENESIS.id, digest),), ())
    assert match(compact, GENESIS.id, [digest]) == [digest]
    assert match(compact, GENESIS.id, [digest, digest]) == [None]
    assert match(compact, GENESIS.id, []) == [None]


@pytest.mark.parametrize(
    "prefilled",
    [((1, b""),), ((0, b""), (0, b"")), ((1, b""), (0, b""))],
)
def test_places_outside_the_body_are_malformed(prefilled: tuple[tuple[int, bytes], ...]) -> None:
    with pytest.raises(Malformed):
        decode_compact(encode_compact(CompactBlock(GENESIS.sealed, (), prefilled)))
