"""Headers in their place, made from a few numbers: for tests that look at time, weight and ancestry alone."""

from dataclasses import replace

from chain.block import ChainedHeader, Header, SealedHeader, header_id
from chain.primitives.units import ZERO_ADDRESS, ZERO_HASH, Gas, LogTarget, Millis, Wei

ROOT_TIME = Millis(1_000_000)

_HEADER = Header(
    version=1,
    height=0,
    parent_id=ZERO_HASH,
    parent_time=Millis(0),
    parent_err=0,
    mined_at=Millis(0),
    miner=ZERO_ADDRESS,
    state_root=ZERO_HASH,
    transactions_root=ZERO_HASH,
    receipts_root=ZERO_HASH,
    gas_used=Gas(0),
    base_fee=Wei(0),
    extra=b"",
    ticket_commitment=ZERO_HASH,
    handicap=Millis(0),
    mix=ZERO_HASH,
    stakes=ZERO_HASH,
    nonce=bytes(8),
)


def root_header() -> ChainedHeader:
    """Return a block without parent at ROOT_TIME."""
    sealed = SealedHeader(_HEADER, 0, None)
    return ChainedHeader(sealed, header_id(_HEADER), ROOT_TIME, 0, LogTarget(0), 0, 0)


def child_header(
    parent: ChainedHeader, *, interval: int = 1000, work: int = 100, pow_hash: int = 0, extra: bytes = b""
) -> ChainedHeader:
    """Return a block after `parent`; `extra` tells siblings of equal numbers apart."""
    header = replace(
        _HEADER,
        height=parent.height + 1,
        parent_id=parent.id,
        parent_time=parent.time,
        extra=extra,
        nonce=(interval % 2**16).to_bytes(2, "big")
        + (work % 2**24).to_bytes(3, "big")
        + (pow_hash % 2**24).to_bytes(3, "big"),
    )
    return ChainedHeader(
        SealedHeader(header, pow_hash, None),
        header_id(header),
        Millis(parent.time + interval),
        0,
        LogTarget(0),
        work,
        parent.total_work + work,
    )


def run_of(
    parent: ChainedHeader, count: int, *, interval: int = 1000, work: int = 100, extra: bytes = b""
) -> list[ChainedHeader]:
    """Return a branch of blocks, one on the other."""
    blocks: list[ChainedHeader] = []
    for _ in range(count):
        parent = child_header(parent, interval=interval, work=work, extra=extra)
        blocks.append(parent)
    return blocks
