"""What the RPC server consumes, as it wants to see it; `cli/node.py` passes the objects that fit.

All methods that are not `async` must answer from memory or by a few database reads, from any thread, and never wait
for a lock that block import holds.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from chain.block import ChainedHeader
from chain.mempool.statistics import FeeStatistics
from chain.params import ChainParams
from chain.ports import Supply, TransactionPlace
from chain.primitives.peer import PeerId
from chain.primitives.units import Address, Hash32, Millis, Wei
from chain.receipt import Receipt
from chain.state import State
from chain.transaction import SignedTransaction, Transaction


class ChainReader(Protocol):
    """The canonical chain and the stored blocks beside it; `chain.views.ChainView` fits. Read from any thread."""

    def head(self) -> ChainedHeader:
        """Return the canonical head; its state is readable from the moment this returns it."""

    def safe(self) -> ChainedHeader:
        """Return the block that fork choice holds `safe` (rule 7)."""

    def finalized(self) -> ChainedHeader:
        """Return the block that fork choice holds `finalized` (rule 7)."""

    def header(self, block_id: Hash32) -> ChainedHeader | None:
        """Return a stored header, canonical or not."""

    def header_at(self, height: int) -> ChainedHeader | None:
        """Return the canonical header of a height, None above the head."""

    def transactions(self, block: ChainedHeader) -> tuple[Transaction, ...]:
        """Return the body of a stored block."""

    def receipts(self, block: ChainedHeader) -> tuple[Receipt, ...]:
        """Return the receipts of an executed block, as many as it has transactions."""

    def place(self, tx_hash: Hash32) -> TransactionPlace | None:
        """Return where a transaction stands on the canonical chain."""

    def state(self, block: ChainedHeader) -> State:
        """Return the state after a block; reading a node of a pruned state raises `trie.MissingNode`."""

    def sender(self, tx: Transaction) -> Address:
        """Return the sender of a mined transaction (65 µs unless remembered; releases the GIL)."""

    def supply(self, block: ChainedHeader) -> Supply:
        """Return what has been issued and burnt up to a stored block."""


class PoolCounts(Protocol):
    """Sizes of the pool; `chain.mempool.statistics.MempoolStatistics` fits."""

    @property
    def pending(self) -> int:
        """Transactions that could be mined next."""

    @property
    def queued(self) -> int:
        """Transactions that wait for a lower nonce."""


class PoolReader(Protocol):
    """The memory pool, as `chain.mempool.pool.Mempool` offers it; asked from the event loop's thread only."""

    def get(self, tx_hash: Hash32) -> SignedTransaction | None:
        """Return a waiting transaction."""

    def next_nonce(self, address: Address) -> int:
        """Return the nonce after the account's last pending transaction: the count at the tag `pending`."""

    def pending(self, base_fee: Wei) -> Iterable[SignedTransaction]:
        """Yield what a block at this base fee would take, best tip first and each sender's nonces in order."""

    def fee_statistics(self, base_fee: Wei) -> FeeStatistics:
        """Return what fills the coming blocks at a base fee."""

    def statistics(self) -> PoolCounts:
        """Return the sizes."""


class Submitter(Protocol):
    """Takes transactions in for the pool and the network."""

    async def submit(self, raw: bytes) -> Hash32:
        """Check, journal and pool a raw transaction, hand it to the network, and return its hash.

        Raises `InvalidTransaction` whose text is one of shared/WALLET_RPC.md's. When it returns, `PoolReader.get`
        knows the transaction.
        """


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far a catching-up node has come."""

    starting: int
    """Height at which this catch-up began."""
    current: int
    highest: int
    """Best height that neighbours claim."""


class NodeFacts(Protocol):
    """What the node knows of itself."""

    @property
    def params(self) -> ChainParams:
        """Parameters of the chain."""

    @property
    def client_version(self) -> str:
        """Text of `web3_clientVersion`: `Mappemonde/v0.1.0/linux/python3.11.7`."""

    @property
    def started_at(self) -> Millis:
        """When the node started, ms since the epoch."""

    def sync(self) -> SyncProgress | None:
        """Return the progress of a catch-up, None when the node follows the head."""

    def roles(self) -> Mapping[str, bool]:
        """Return what the node does besides following: `mining`, `staking`, `rendezvous`."""

    def alarms(self) -> Mapping[str, str]:
        """Return what the operator should know now, a sentence by kind of alarm."""


@dataclass(frozen=True, slots=True)
class PeerFact:
    """A neighbour."""

    id: PeerId
    kind: str
    """`listed`, `unlisted` or `guest` (`net.core.effects.LinkKind`)."""
    outbound: bool
    """Whether this node chose the link."""
    since: Millis
    """When the handshake was done, ms since the epoch."""
    signalled: str
    """How offer and answer travelled: `rendezvous` or `relayed`."""
    rtt: Millis | None
    """Round trip of the last ping, ms; None before the first."""
    head_height: int | None
    """Best height the neighbour told of."""
    bytes_in: int
    bytes_out: int


@dataclass(frozen=True, slots=True)
class MapNode:
    """A peer on the global map."""

    id: PeerId
    born: Millis
    seen: Millis
    """Signing time of its newest record."""
    reachability: str
    """`public`, `punchable` or `hard`."""
    degree: int
    """Confirmed links."""


@dataclass(frozen=True, slots=True)
class MapLink:
    """A link that both ends list."""

    origin: PeerId
    """The end that chose it."""
    target: PeerId
    rtt_class: int


@dataclass(frozen=True, slots=True)
class LinkAttempt:
    """One attempt at a link with a peer."""

    started: Millis
    ended: Millis
    kind: str
    """`listed`, `unlisted` or `guest`."""
    outbound: bool
    """Whether this node asked."""
    step: str
    """Where it ended: `route`, `offer`, `answer`, `ice`, `dtls`, `handshake`, or `up` when the link came."""
    reason: str


@dataclass(frozen=True, slots=True)
class PeerWhy:
    """How this node stands with a peer, and what became of recent attempts at a link."""

    id: PeerId
    on_map: bool
    reachable: bool
    """Whether a direct message has a way to it."""
    linked: str | None
    """Kind of the link that is up."""
    banned: bool
    quarantined: bool
    attempts: tuple[LinkAttempt, ...]
    """Oldest first."""


class NetworkFacts(Protocol):
    """What the mesh knows. Never an address of a peer."""

    @property
    def own_id(self) -> PeerId:
        """This node's peer id."""

    def peers(self) -> Sequence[PeerFact]:
        """Return the neighbours, longest-lived first."""

    def why(self, peer: PeerId) -> PeerWhy:
        """Return how this node stands with a peer; for an unknown id too."""

    def map_size(self) -> tuple[int, int]:
        """Return the numbers of peers and confirmed links on the map, this node included."""

    def map_nodes(self, after: PeerId | None, limit: int) -> Sequence[MapNode]:
        """Return up to `limit` peers of the map in the order of their ids, those after `after`."""

    def map_links(self, node: PeerId) -> Sequence[MapLink]:
        """Return the confirmed links that a peer chose (so that each link of the map is listed once)."""

    def health(self) -> Mapping[str, int | float | str]:
        """Return the figures of the map's health (DESIGN section 3.6) by name; empty until computed."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a miner hashes."""

    id: Hash32
    """Names the work; new when the parent, the transactions or the ticket change."""
    header: bytes
    """Encoded header; its last 8 bytes are the nonce, for the miner to turn."""
    height: int
    parent_id: Hash32
    log_target: int
    """lt of the block, Q16 (rule 2)."""
    seal_floor: int
    """Weakest seal that is a block: log2_q16(pow + 1) at most this (rule 4)."""
    share_log_target: int
    """Weakest seal worth submitting as a share, Q16."""
    limit: int
    """Highest hash that would be better than the best known; it falls while the work stays, without notice."""
    memory_kib: int
    """Memory of the Argon2id seal."""


class ShareVerdict(Enum):
    """What became of a submitted nonce."""

    BEST = "best"
    """The best seal known for its parent: kept and, when ripe, published."""
    SHARE = "share"
    """A valid share, counted for the worker, but a better seal is known."""
    STALE = "stale"
    """The work is no longer current."""
    WEAK = "weak"
    """The hash misses the share's target, and a better seal is known."""
    REPEATED = "repeated"
    """This nonce was submitted before."""


@dataclass(frozen=True, slots=True)
class MiningWorker:
    """The account of one worker since the node started."""

    name: str
    shares: int
    """Hashes that met the share's target."""
    blocks: int
    """Seals that were the best known."""
    stale: int
    refused: int
    """Weak or repeated."""
    last_seen: Millis
    hash_rate: float
    """Hashes per second, estimated from the last shares."""


@dataclass(frozen=True, slots=True)
class MiningState:
    """How mining goes."""

    state: str
    """`idle`, `searching`, `holding` (an own best that is kept back), `shown` or `done` (ripe)."""
    height: int
    """Height worked on; 0 when idle."""
    hash_rate: float
    """Hashes per second of the node's own threads."""
    hashes: int
    """What these threads tried since the start."""
    best_time: Millis | None
    """When the best known block of this height is ripe."""
    published: int
    templates: int
    workers: Sequence[MiningWorker]
    """Seen last first."""


class MiningWork(Protocol):
    """Work for miners in other processes."""

    def current(self) -> Work | None:
        """Return the work of this moment, None while the node does not mine (catching up, or no reward address)."""

    async def submit(self, work_id: Hash32, nonce: bytes, worker: str) -> ShareVerdict:
        """Hash the work with the nonce (in a worker thread), count the share, and keep the seal if it is the best.

        Raises `RpcError` (-32005) when more nonces wait for their hash than the node can check.
        """

    def state(self) -> MiningState:
        """Return how mining goes."""


@dataclass(frozen=True, slots=True)
class BanFact:
    """A peer that is kept away."""

    id: PeerId
    reason: str
    until: Millis


class AdminActions(Protocol):
    """What only the operator, by token, may ask."""

    def bans(self) -> Sequence[BanFact]:
        """Return the bans in force."""

    def unban(self, peer: PeerId) -> bool:
        """Lift a ban; False if there was none."""


@dataclass(frozen=True, slots=True)
class OwnValidator:
    """A validator of this node, as its operator may know it."""

    validator_key: bytes
    reward_address: Address | None
    """None until it is known whose stake it is."""
    stake: Wei
    """Active now."""
    sent: int
    """Tickets sent since the start."""
    won: int
    """Of those, tickets that stand in canonical blocks."""
    rewards: Wei
    """What they minted; tips come on top."""
    foreseen: Sequence[tuple[int, Millis]]
    """Heights to come at which it has a ticket, with the handicap: secret, a target list for attackers."""


class StakingFacts(Protocol):
    """What consensus says of stakes beyond the registry, and this node's own validators."""

    def expected(self, height: int, *, stake: Wei, total: Wei, issued: Wei) -> tuple[float, Wei]:
        """Return (tickets won, wei minted) a day by a stake at a height, in a snapshot of these sums."""

    def own(self) -> Sequence[OwnValidator]:
        """Return this node's validators; for the operator alone."""


@dataclass(frozen=True, slots=True)
class RpcParts:
    """All that the methods read and call."""

    chain: ChainReader
    pool: PoolReader
    submitter: Submitter
    node: NodeFacts
    network: NetworkFacts
    mining: MiningWork | None = None
    """None on a node that gives no work; `mappemonde_getWork` then says so."""
    admin: AdminActions | None = None
    staking: StakingFacts | None = None
    """None where consensus is not at hand: the staking methods then leave out what they would expect."""
