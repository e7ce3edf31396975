"""The parameters of one chain: all that two nodes must agree on before they read a block.

They come from one document per network in `genesis/`; `genesis.load_genesis` reads and checks it. The symbol in
capitals behind a field is its name in docs/protocol/consensus.md.
"""

from dataclasses import dataclass

from chain.primitives.units import Gas, Hash32, LogTarget, Millis, Wei


@dataclass(frozen=True, slots=True)
class ChainParams:
    """Consensus constants of one network; every field is part of its genesis document and so of its network id."""

    name: str
    """`mainnet`, `testnet` or `devnet`."""
    chain_id: int
    """EIP-155 chain id: 1569, 15690, 156900."""
    network_id: Hash32
    """blake2b-256 of the canonical genesis document; every link and record names it."""
    genesis_time: Millis
    """Moment of the launch, ms since the epoch: the time of block 0."""
    id_difficulty: int
    """Expected number of hashes for the proof of work of a peer id (ID_DIFFICULTY)."""

    block_time: Millis
    """T_BLOCK: mean interval the schedule steers to."""
    min_interval: Millis
    """T_MIN: no block is ripe earlier after its parent."""
    tau: Millis
    """TAU: a hash twice as good is ripe this much earlier."""
    schedule_half_life: Millis
    """H_SCHED: schedule error that doubles or halves the target."""
    max_counted_interval: Millis
    """E_MAX: an interval counts for at most this much in the schedule."""
    gap: Millis
    """GAP: `mined_at`, when set, lies at least this long after the parent's time (rule 5)."""
    open_handicap: Millis
    """D_OPEN: handicap of a block without a ticket once the ramp is over."""
    ticket_unit: Millis
    """TICKET_UNIT: ms of handicap per bit of -log2(vrf) at full stake."""
    floor_div: int
    """FLOOR_DIV: stake under issued // this is measured against issued // this."""
    epoch_length: int
    """EPOCH: blocks per epoch of the stake registry."""
    stake_start: int
    """STAKE_START: first height at which a ticket is valid."""
    stake_ramp: int
    """STAKE_RAMP: blocks over which handicaps grow to full."""
    seal_floor: int
    """SEAL_FLOOR: bits by which a seal may miss the target (rule 4)."""
    work_cap: int
    """WORK_CAP: bits by which a block's weight may pass what its hash shows (rule 6)."""
    genesis_log_target: LogTarget
    """LT_GENESIS: log2 of the target at schedule error 0, Q16."""
    pow_memory_kib: int
    """Memory of the Argon2id seal, KiB."""

    gas_limit: Gas
    """Gas limit of every block (fixed)."""
    max_body_bytes: int
    """Longest encoded body, bytes."""
    initial_base_fee: Wei
    """Base fee of block 1 per gas; also the minimum ever."""
    base_fee_elasticity: int
    """Gas limit over gas target (EIP-1559: 2)."""
    base_fee_denominator: int
    """Bound on the base fee's change per block (EIP-1559: 8)."""

    subsidy: Wei
    """S(1), wei; halves every `halving_interval` blocks."""
    halving_interval: int
    """Blocks between halvings: four years of T_BLOCK."""
    min_stake: Wei
    """MIN_STAKE: smallest first deposit of a validator."""
    unbonding_blocks: int
    """Blocks between the request of a withdrawal and its payment."""

    def epoch(self, height: int) -> int:
        """Return the epoch E(n) of a height."""
        return height // self.epoch_length

    def subsidy_at(self, height: int) -> Wei:
        """Return S(n), the miner's subsidy in wei (rule 9): nothing for genesis."""
        return Wei(0) if height == 0 else Wei(self.subsidy >> (height // self.halving_interval))
