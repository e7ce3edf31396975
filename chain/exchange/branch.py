"""A branch that a peer claims: headers with claims, chained, none of their seals believed yet."""

from collections.abc import Sequence

from chain.block import ChainedHeader, SealedHeader, header_id
from chain.exchange.bounded import RecentHashes
from chain.exchange.messages import HEADERS_MAX, LOCATOR_MAX, HeadersRequest, Status
from chain.exchange.ports import BlockSource
from chain.ports import SealRules
from chain.primitives.errors import Penalty, RemoteError
from chain.primitives.peer import PeerId
from chain.primitives.units import Hash32, Millis

SEGMENT_MAX = 8_192
"""Headers of a branch that are held at once: 10 MB without tickets (measured), 11 days of mainnet. A longer way is gone
in segments; a branch that does not outweigh ours within one is not followed."""

RESTARTS_MAX = 3
"""How often a peer may change its chain under our questions."""

DENSE_IDS = 10
"""Ids in a row at the new end of a locator; then the steps double."""


def make_locator(source: BlockSource) -> tuple[Hash32, ...]:
    """Return ids of our canonical chain, newest first, in growing steps, the last one genesis."""
    ids: list[Hash32] = []
    height, step = source.head().height, 1
    while height > 0 and len(ids) < LOCATOR_MAX - 1:
        block_id = source.canonical_id(height)
        if block_id is not None:
            ids.append(block_id)
        if len(ids) >= DENSE_IDS:
            step *= 2
        height -= step
    genesis = source.canonical_id(0)
    return (*ids, genesis) if genesis is not None else tuple(ids)


class Branch:
    """The headers that one peer gave; changed by `sync.Sync` alone."""

    def __init__(self, peer: PeerId, claim: Status, source: BlockSource, now: Millis) -> None:
        self.peer = peer
        """Who claims it, and answers for every claim in it."""
        self.claim = claim
        """What it said of its head."""
        self.started = now
        self.headers: list[ChainedHeader] = []
        """Not imported yet, consecutive, oldest first."""
        self.complete = False
        """Whether the peer has no more, or the segment is full."""
        self.is_cut = False
        """Whether it goes on beyond what our clock, or a segment, lets us follow now."""
        self._source = source
        self._locator = make_locator(source)
        self._cursor: ChainedHeader | None = None
        """The last header of the last answer, stored here or not."""
        self._restarts = 0

    @property
    def tip(self) -> ChainedHeader | None:
        """The newest header."""
        return self.headers[-1] if self.headers else None

    def request(self) -> HeadersRequest:
        """Return the question for the next headers."""
        limit = min(HEADERS_MAX, SEGMENT_MAX - len(self.headers))
        if self._cursor is None:
            return HeadersRequest(self._locator, limit)
        return HeadersRequest((self._cursor.id, *self._locator[: LOCATOR_MAX - 1]), limit)

    def extend(
        self, sealed: Sequence[SealedHeader], rules: SealRules, invalid: RecentHashes, *, latest: Millis, now: Millis
    ) -> None:
        """Append an answer. Headers ripe after `latest` end the branch without blame.

        Raises `RemoteError` when the headers do not follow from each other or a rule is broken that shows in them.
        """
        asked = self.request().limit
        if len(sealed) > asked:
            raise RemoteError(f"{len(sealed)} headers where {asked} were asked for", penalty=Penalty.BAN)
        if len(sealed) < asked:
            self.complete = True
        parent: ChainedHeader | None = None
        for item in sealed:
            parent = self._parent(item, parent)
            block_id = header_id(item.header)
            stored = self._source.chained(block_id)
            if stored is not None and not self.headers:
                self._cursor = parent = stored
                continue
            if invalid.has(block_id, now):
                raise RemoteError("a chain on an invalid block", penalty=Penalty.BAN)
            parent = rules.chain(item, parent)
            if parent.time > latest:
                self.complete = self.is_cut = True
                return
            self.headers.append(parent)
            self._cursor = parent
        if len(self.headers) >= SEGMENT_MAX:
            self.complete = self.is_cut = True

    def _parent(self, item: SealedHeader, before: ChainedHeader | None) -> ChainedHeader:
        wanted = item.header.parent_id
        if before is not None:
            if before.id != wanted:
                raise RemoteError("headers that do not follow from each other", penalty=Penalty.BAN)
            return before
        if self._cursor is not None and self._cursor.id == wanted:
            return self._cursor
        stored = self._source.chained(wanted)
        if stored is None or self._restarts >= RESTARTS_MAX:
            raise RemoteError("headers that do not begin where they were asked for")
        if self._cursor is not None:
            # the peer has another chain than a moment ago
            self._restarts += 1
            self.headers.clear()
        return stored
