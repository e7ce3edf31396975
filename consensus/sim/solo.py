"""A chain whose miners act as one, without delays: the public side of races, and what a lone network looks like."""

from random import Random

from chain.block import ChainedHeader
from chain.params import ChainParams
from chain.primitives.units import Millis
from consensus.schedule import next_log_target
from consensus.sim.blocks import BlockMaker
from consensus.sim.law import first_ripe


class SoloChain:
    """Hashes on its tip from the moment that tip was both ripe and found. Mutable: `extend` moves the tip."""

    def __init__(self, params: ChainParams, rng: Random, maker: BlockMaker, tip: ChainedHeader) -> None:
        self._params, self._rng, self._maker = params, rng, maker
        self.tip = tip
        self.moment = float(tip.time)
        """When the tip was both ripe and found, ms: its time, or later."""

    def extend(self, *, rate: float, handicap: Millis) -> ChainedHeader:
        """Return the next block, found at `rate` (hashes per ms); the rate must find one within the seal floor."""
        tip = self.tip
        found = first_ripe(
            self._params,
            self._rng,
            rate=rate,
            start=self.moment - tip.time,
            log_target=next_log_target(self._params, tip.err),
            handicap=handicap,
        )
        assert found is not None, "nothing passes the floor in time at so low a rate"
        self.tip = self._maker.child(tip, pow_hash=found.pow, handicap=handicap, miner=0)
        self.moment = max(tip.time + found.at, float(self.tip.time))
        return self.tip
