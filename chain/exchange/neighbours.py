"""What is known of each neighbour: where it stands, what it may still cost, whether catch-up may use it."""

from chain.exchange.asks import Asks
from chain.exchange.budget import TokenBucket
from chain.exchange.effects import Effect, Tag
from chain.exchange.messages import Status
from chain.exchange.policy import ExchangePolicy
from chain.exchange.ports import BlockSource
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis

SEAL_BURST = 16
"""Argon2id checks that a neighbour may cost at once: a node that comes back brings some siblings."""

HINT_INTERVAL = Millis(2_000)
"""A neighbour that shows a block with an unknown parent is asked for its status at most this often."""


class Neighbour:
    """One neighbour; changed by the parts of the exchange."""

    __slots__ = (
        "bytes",
        "checks",
        "features",
        "next_status",
        "peer",
        "requests",
        "rests_until",
        "since",
        "status",
        "status_tag",
        "transactions",
        "turns",
    )

    def __init__(self, peer: PeerId, policy: ExchangePolicy, now: Millis, *, features: int) -> None:
        self.peer = peer
        self.features = features
        """Optional abilities of both ends (`topics.FEATURES`)."""
        self.since = now
        """When the link came up."""
        self.status: Status | None = None
        """What it last said of itself."""
        self.status_tag: Tag | None = None
        """The open question for its status."""
        self.next_status = now
        self.rests_until = now
        """Catch-up does not ask it before: it was busy, slow, or did not have what it claimed."""
        self.turns = 0
        """How often catch-up has followed what it claims, or could have: who has had fewer turns comes first."""
        self.checks = TokenBucket(policy.seal_checks_per_minute, now, burst=SEAL_BURST * 60)
        """In sixtieths of a check."""
        self.transactions = TokenBucket(policy.max_transactions_per_second, now)
        self.requests = TokenBucket(policy.serve_requests_per_second, now)
        self.bytes = TokenBucket(policy.serve_bytes_per_second, now)

    def pay_check(self, now: Millis) -> bool:
        """Charge one Argon2id check; tell whether the budget allows it."""
        return self.checks.take(60, now)


class Neighbours:
    """All neighbours, and the questions for their status."""

    def __init__(self, policy: ExchangePolicy, source: BlockSource, asks: Asks) -> None:
        self._policy = policy
        self._source = source
        self._asks = asks
        self._all: dict[PeerId, Neighbour] = {}
        self._by_tag: dict[Tag, Neighbour] = {}

    def __len__(self) -> int:
        return len(self._all)

    def add(self, peer: PeerId, now: Millis, *, features: int) -> None:
        """Take note of a new neighbour; `tick` asks it for its status."""
        neighbour = Neighbour(peer, self._policy, now, features=features)
        neighbour.turns = max((other.turns for other in self._all.values()), default=0)  # it may have left to be new
        self._all[peer] = neighbour

    def remove(self, peer: PeerId) -> None:
        """Forget a neighbour; its open questions are the caller's to close."""
        neighbour = self._all.pop(peer, None)
        if neighbour is not None and neighbour.status_tag is not None:
            self._by_tag.pop(neighbour.status_tag, None)

    def get(self, peer: PeerId) -> Neighbour | None:
        """Return what is known of a peer, None if it is no neighbour."""
        return self._all.get(peer)

    def all(self) -> list[Neighbour]:
        """Return all neighbours in the order of their ids, so that a choice among them is deterministic."""
        return [self._all[peer] for peer in sorted(self._all)]

    def own_status(self) -> Status:
        """Return where this node stands."""
        head = self._source.head()
        return Status(head.id, head.height, head.total_work)

    def owns(self, tag: Tag) -> bool:
        """Tell whether a question was for a status."""
        return tag in self._by_tag

    def close(self, tag: Tag) -> Neighbour:
        """Take note that the question is answered or failed."""
        neighbour = self._by_tag.pop(tag)
        neighbour.status_tag = None
        return neighbour

    def hint(self, peer: PeerId, now: Millis) -> None:
        """A neighbour seems to be ahead: ask it soon."""
        neighbour = self._all.get(peer)
        if neighbour is not None and neighbour.status_tag is None:
            earliest = neighbour.next_status - self._policy.status_interval + HINT_INTERVAL
            neighbour.next_status = Millis(min(neighbour.next_status, max(now, earliest)))

    def tick(self, now: Millis) -> list[Effect]:
        """Ask for the statuses that are due."""
        effects: list[Effect] = []
        for neighbour in self._all.values():
            if neighbour.status_tag is None and neighbour.next_status <= now and self._asks.has_room(neighbour.peer):
                ask = self._asks.open(neighbour.peer, self.own_status(), now)
                neighbour.status_tag = ask.tag
                neighbour.next_status = Millis(now + self._policy.status_interval)
                self._by_tag[ask.tag] = neighbour
                effects.append(ask)
        return effects

    def deadline(self) -> Millis | None:
        """Return when the next status is due."""
        return min(
            (
                neighbour.next_status
                for neighbour in self._all.values()
                if neighbour.status_tag is None and self._asks.has_room(neighbour.peer)
            ),
            default=None,
        )
