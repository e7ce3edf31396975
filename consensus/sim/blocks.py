"""Blocks of the simulator: real `ChainedHeader` records in which only hash, id and mix are stand-ins."""

from dataclasses import replace
from itertools import count

from chain.block import HEADER_VERSION, ChainedHeader, Header, SealedHeader
from chain.params import ChainParams
from chain.primitives.units import ZERO_ADDRESS, ZERO_HASH, Address, Gas, Hash32, Millis
from consensus.ripening import block_time, block_work
from consensus.schedule import next_error, next_log_target


class BlockMaker:
    """Makes the blocks of one run; numbers stand for ids."""

    def __init__(self, params: ChainParams) -> None:
        self._params = params
        self._numbers = count(1)

    def genesis(self, height: int, *, err: int = 0) -> ChainedHeader:
        """Return a block to start from: `height` past the ramp, schedule at `err`, time 0."""
        header = Header(
            version=HEADER_VERSION,
            height=height,
            parent_id=ZERO_HASH,
            parent_time=Millis(0),
            parent_err=0,
            mined_at=Millis(0),
            miner=ZERO_ADDRESS,
            state_root=ZERO_HASH,
            transactions_root=ZERO_HASH,
            receipts_root=ZERO_HASH,
            gas_used=Gas(0),
            base_fee=self._params.initial_base_fee,
            extra=b"",
            ticket_commitment=ZERO_HASH,
            handicap=Millis(0),
            mix=ZERO_HASH,
            stakes=ZERO_HASH,
            nonce=bytes(8),
        )
        target = next_log_target(self._params, err)
        return ChainedHeader(SealedHeader(header, 0, None), self._id(), Millis(0), err, target, 1, 1)

    def child(
        self, parent: ChainedHeader, *, pow_hash: int, handicap: Millis, miner: int, mined_at: Millis = Millis(0)
    ) -> ChainedHeader:
        """Return the block after `parent` with this hash, in its place by rules 1 to 6."""
        params = self._params
        header = replace(
            parent.sealed.header,
            height=parent.height + 1,
            parent_id=parent.id,
            parent_time=parent.time,
            parent_err=parent.err,
            mined_at=mined_at,
            miner=Address(miner.to_bytes(20, "big")),
            handicap=handicap,
        )
        log_target = next_log_target(params, parent.err)
        time = block_time(
            params,
            parent_time=parent.time,
            pow_hash=pow_hash,
            log_target=log_target,
            handicap=handicap,
            mined_at=mined_at,
        )
        work = block_work(params, pow_hash, log_target)
        return ChainedHeader(
            sealed=SealedHeader(header, pow_hash, None),
            id=self._id(),
            time=time,
            err=next_error(params, parent.err, Millis(time - parent.time)),
            log_target=log_target,
            work=work,
            total_work=parent.total_work + work,
        )

    def _id(self) -> Hash32:
        return Hash32(next(self._numbers).to_bytes(32, "big"))


def miner_of(block: ChainedHeader) -> int:
    """Return the number of the miner that made a block."""
    return int.from_bytes(block.header.miner, "big")


def interval_of(block: ChainedHeader) -> int:
    """Return a block's interval, ms."""
    return block.time - block.header.parent_time
