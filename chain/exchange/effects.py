"""What the exchange asks of whoever drives it, in order.

Network effects are carried out through the mesh's application API (topics of `topics.Topic`), work effects in the
worker threads or the importer's thread; what comes of them goes back through the method of `exchange.Exchange` that
each record names. A `tag` is this exchange's own number of one piece of work or one question; it is never sent.
"""

from dataclasses import dataclass
from enum import Enum
from typing import NewType, TypeAlias

from chain.block import Header, SealedHeader
from chain.exchange.topics import Topic
from chain.ports import EpochStake
from chain.primitives.errors import Penalty
from chain.primitives.peer import PeerId
from chain.primitives.units import Hash32, Millis
from chain.rules import InvalidBlock
from chain.transaction import SignedTransaction, Transaction
from chain.verified import VerifiedBlock

Tag = NewType("Tag", int)
"""Number of a question or a piece of work, unique for the life of the exchange."""


class Judgement(Enum):
    """What became of a published message that was to be validated; values are those of the mesh's `Verdict`."""

    ACCEPT = "accept"
    """Valid and new: relay it."""
    REJECT = "reject"
    """Invalid: do not relay, the sender is at fault."""
    IGNORE = "ignore"
    """Neither relay nor blame."""


@dataclass(frozen=True, slots=True)
class Ask:
    """Send a request to a peer; hand what comes to `responded(tag, ...)` or `request_failed(tag, ...)`."""

    peer: PeerId
    topic: Topic
    payload: bytes
    tag: Tag


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer a request that `requested` brought."""

    request: int
    """The number that `requested` was given."""
    payload: bytes


@dataclass(frozen=True, slots=True)
class Refuse:
    """Refuse a request that `requested` brought."""

    request: int
    reason: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Tell the relay what became of a message that `validate` brought; it may come much later (unripe blocks)."""

    key: bytes
    judgement: Judgement
    reason: str
    """For the log; empty for ACCEPT."""


@dataclass(frozen=True, slots=True)
class Publish:
    """Send a message of our own to everybody."""

    topic: Topic
    payload: bytes


@dataclass(frozen=True, slots=True)
class Penalise:
    """Charge a peer with a fault."""

    peer: PeerId
    penalty: Penalty
    reason: str


@dataclass(frozen=True, slots=True)
class OutOfReach:
    """Tell the operator: a branch that outweighs ours, with true seals, forks off below the states that are kept here.

    Nobody's fault, and not invalid: this node cannot tell. If the branch stays, only a new sync can follow it.
    """

    peer: PeerId
    fork_height: int
    """Height of the last block that both chains have."""
    state_floor: int
    """Height from which on this node has states."""
    height: int
    """Height that the branch reaches."""


@dataclass(frozen=True, slots=True)
class SealCheck:
    """One header for `work.check_seal`."""

    sealed: SealedHeader
    stake: EpochStake | None
    """What its ticket is judged against; None when the importer will do that (headers that run ahead of the state)."""


@dataclass(frozen=True, slots=True)
class CheckSeals:
    """Run `work.check_seals` in workers; hand its result to `seals_checked(tag, ...)`.

    At most `download.SEALS_PER_BATCH` headers, one Argon2id each. Urgent batches (a new block) go before the others.
    """

    tag: Tag
    checks: tuple[SealCheck, ...]
    urgent: bool


@dataclass(frozen=True, slots=True)
class RecoverSenders:
    """Run `work.recover_senders` in workers; hand its result to `senders_recovered(tag, ...)`."""

    tag: Tag
    transactions: tuple[Transaction, ...]


@dataclass(frozen=True, slots=True)
class CheckBody:
    """Run `work.check_body` in workers (decoding, root, senders that the pool does not know); hand its result to
    `body_checked(tag, ...)`."""

    tag: Tag
    header: Header
    body: bytes
    """Encoded transactions, untrusted (`block.decode_body`)."""
    urgent: bool


@dataclass(frozen=True, slots=True)
class Import:
    """Hand a block to the importer's thread, in the order of these effects; tell `imported(tag, ...)` what it said:
    the status of `importer.ImportResult`, or the `InvalidBlock` it raised.

    Its seal is verified and its body belongs to its header; the parent was imported or handed over before.
    """

    tag: Tag
    block: VerifiedBlock
    block_id: Hash32


@dataclass(frozen=True, slots=True)
class OwnRefused:
    """Tell the miner that a block of its own, which `found` took, turned out to be invalid: it must not wait for it."""

    parent_id: Hash32
    height: int
    error: InvalidBlock


@dataclass(frozen=True, slots=True)
class AddTransaction:
    """Offer a transaction of the network to the pool; tell `transaction_added(tag, ...)` the error or None."""

    tag: Tag
    signed: SignedTransaction


class SyncPhase(Enum):
    """What a catch-up is doing."""

    HEADERS = "headers"
    SAMPLE = "sample"
    """Checking random seals of a claimed branch."""
    BODIES = "bodies"
    """Checking all seals, fetching bodies, importing."""
    DONE = "done"


@dataclass(frozen=True, slots=True)
class SyncProgress:
    """How far the catch-up is: for the log, the progress bar and `eth_syncing`. At most one a second."""

    phase: SyncPhase
    start_height: int
    """Height at which this catch-up began to import."""
    height: int
    """Height of the newest block imported by it."""
    headers_height: int
    """Height of the newest header of the branch that is being fetched."""
    target_height: int
    """Height that the best peer claims."""
    milliblocks_per_second: int
    """Blocks imported per 1,000 seconds of late (0 until known)."""
    left: Millis | None
    """Time left at that rate, None until known."""
    peers: int
    """Neighbours it fetches from."""

    @property
    def is_proven(self) -> bool:
        """Whether seals have shown that there is something to catch up with; before that it is a peer's word alone."""
        return self.phase is SyncPhase.BODIES or self.height > self.start_height


Effect: TypeAlias = (
    Ask
    | Reply
    | Refuse
    | Verdict
    | Publish
    | Penalise
    | OutOfReach
    | CheckSeals
    | RecoverSenders
    | CheckBody
    | Import
    | OwnRefused
    | AddTransaction
    | SyncProgress
)
