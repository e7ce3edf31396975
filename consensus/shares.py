"""Shares: what each external worker has hashed for this node, counted by seals weaker than a block's."""

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum

from chain.primitives.units import Hash32, LogTarget, Millis

SHARE_BITS = 10
"""A share shows 2^10 hashes: one in two seconds from a core on mainnet, against 2 ms for the node to check it."""

SHARE_LOG_TARGET = LogTarget((256 - SHARE_BITS) << 16)

RATE_SHARES = 16
"""Last shares of a worker from which its hash rate is estimated: exact to a quarter."""

MAX_WORKERS = 1_024
"""Workers remembered; of those without a share, then of all, the one silent longest is forgotten first. Names are free:
if they alone could push an account out, whoever made up 1,024 of them would wipe what others have earned."""

MAX_WORKER_NAME = 64
"""Longest name of a worker, characters; longer ones are cut."""

MAX_NONCES = 65_536
"""Nonces remembered against repetition; the oldest go first. A farm of 1,000 cores sends 490 shares a second, 59,000 in
a block of 120 s. 250 bytes each. A new parent is no reason to forget them: after a pause, or when the head goes back,
the very same header may be mined again. Those of weak hashes are not among them: they
cost nothing, so that they could push out the share that their sender wants to be paid for again."""


class ShareVerdict(Enum):
    """What became of a submitted nonce."""

    BEST = "best"
    """The best seal known for its parent: kept and, when its time comes, published."""
    SHARE = "share"
    """Counted for the worker, but a better seal is known."""
    STALE = "stale"
    """The work is no longer current: drop it at once."""
    WEAK = "weak"
    """The hash misses the share's target."""
    REPEATED = "repeated"
    """This nonce was submitted before."""


@dataclass(frozen=True, slots=True)
class WorkerAccount:
    """What one worker did since the node started."""

    shares: int
    """Seals that meet the share's target, each a proof of 2^SHARE_BITS hashes. A best seal that does not meet it is no
    share: the first hash for a new parent is always the best, and whoever sends first would be paid for nothing."""
    blocks: int
    """Seals that were the best known for their parent."""
    stale: int
    refused: int
    """Weak or repeated."""
    last_seen: Millis
    recent: tuple[Millis, ...] = ()
    """When the last shares came, oldest first; at most RATE_SHARES."""


_EMPTY = WorkerAccount(shares=0, blocks=0, stale=0, refused=0, last_seen=Millis(0))


def meets_share(pow_hash: int) -> bool:
    """Tell whether a hash is a share."""
    return pow_hash < 1 << (SHARE_LOG_TARGET >> 16)


def worker_rate(account: WorkerAccount, now: Millis) -> float:
    """Estimate a worker's hashes per second from its last shares; falls by itself when no more come. For people."""
    if len(account.recent) < 2 or now <= account.recent[0]:
        return 0.0
    return (len(account.recent) - 1) * (1000 << SHARE_BITS) / (now - account.recent[0])


class ShareBook:
    """Accounts by worker; mutable, owned by the `Miner`."""

    def __init__(self) -> None:
        self._accounts: OrderedDict[str, WorkerAccount] = OrderedDict()
        self._nonces: OrderedDict[tuple[Hash32, bytes], None] = OrderedDict()

    def knows(self, job_id: Hash32, nonce: bytes) -> bool:
        """Tell whether a nonce was remembered: it need not be hashed again."""
        return (job_id, nonce) in self._nonces

    def remember(self, job_id: Hash32, nonce: bytes) -> None:
        """Remember a nonce that counted for its worker, so that it counts once."""
        self._nonces[job_id, nonce] = None
        if len(self._nonces) > MAX_NONCES:
            self._nonces.popitem(last=False)

    def count(self, worker: str, verdict: ShareVerdict, now: Millis, *, shown: bool = False) -> ShareVerdict:
        """Enter a verdict on a worker's account and return it; `shown` if the hash meets the share's target."""
        name = worker[:MAX_WORKER_NAME]
        old = self._accounts.pop(name, _EMPTY)
        self._accounts[name] = WorkerAccount(
            shares=old.shares + shown,
            blocks=old.blocks + (verdict is ShareVerdict.BEST),
            stale=old.stale + (verdict is ShareVerdict.STALE),
            refused=old.refused + (verdict in (ShareVerdict.WEAK, ShareVerdict.REPEATED)),
            last_seen=now,
            recent=(*old.recent, now)[-RATE_SHARES:] if shown else old.recent,
        )
        if len(self._accounts) > MAX_WORKERS:
            idle = (other for other, account in self._accounts.items() if not account.shares)
            del self._accounts[next(idle, next(iter(self._accounts)))]
        return verdict

    def accounts(self) -> dict[str, WorkerAccount]:
        """Return the accounts by worker, the one seen last at the end."""
        return dict(self._accounts)
