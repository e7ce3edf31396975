"""Bodies of announced blocks: from the pool, from what was prefilled, and by asking neighbours for the rest."""

from chain.exchange.announced import Announced, Stage, Step
from chain.exchange.asks import Asks, Tags
from chain.exchange.compact import CompactBlock, match
from chain.exchange.effects import CheckBody, Effect, Penalise, Tag
from chain.exchange.messages import Bodies, BodiesRequest, Parts, PartsRequest, Request, Response
from chain.exchange.neighbours import Neighbours
from chain.exchange.ports import PoolReader
from chain.exchange.transactions import Transactions
from chain.primitives.canonical import pack
from chain.primitives.errors import Penalty
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis

FIRST_PAUSE = Millis(100)
"""Pause after all neighbours were asked in vain, doubling: relays come before bodies, so that a neighbour may have the
body a moment later."""

LONGEST_PAUSE = Millis(3_200)

PARTS_LEAST_SHARE = 2
"""More than one missing transaction in so many: the whole body is asked for, since the answer is about as long."""


class Assembly:
    """Completes the bodies of announced blocks and has them checked."""

    def __init__(
        self, pool: PoolReader, transactions: Transactions, neighbours: Neighbours, asks: Asks, tags: Tags
    ) -> None:
        self._pool = pool
        self._transactions = transactions
        self._neighbours = neighbours
        self._asks = asks
        self._tags = tags
        self._asked: dict[Tag, tuple[Announced, tuple[int, ...]]] = {}
        """The block of each question, and the places that were empty when it was put."""
        self._checking: dict[Tag, Announced] = {}
        self.from_pool = 0
        self.fetched_parts = 0
        self.fetched_whole = 0

    def fill(self, block: Announced, compact: CompactBlock) -> None:
        """Fill the places of the body from what the pool and this compact form have."""
        places = [index for index, raw in enumerate(compact.slots()) if raw is None]
        if compact.count != len(block.slots):
            # another form of the same header: one of the two is a lie, the root tells which
            return
        for index, raw in compact.prefilled:
            block.slots[index] = block.slots[index] or raw
        for index, tx_hash in zip(places, match(compact, block.id, self._pool.hashes()), strict=True):
            if tx_hash is None or self._transactions.is_secret(tx_hash):
                continue  # an own one that nobody knows to be here is asked for too: to leave it out names its origin
            signed = self._pool.get(tx_hash)
            if signed is not None and block.slots[index] is None:
                block.slots[index] = signed.tx.raw
                self.from_pool += 1

    def advance(self, block: Announced, now: Millis) -> list[Effect]:
        """Have a complete body checked, or ask the next neighbour for what is missing."""
        if block.stage is not Stage.BODY or block.ask is not None:
            return []
        missing = block.missing()
        if not missing and not block.whole:
            return self._check(block, pack([raw for raw in block.slots if raw is not None]))
        peer = self._next_peer(block)
        if peer is None:
            block.waits_ms = min(LONGEST_PAUSE, block.waits_ms * 2) if block.waits_ms else FIRST_PAUSE
            block.retry_at = Millis(now + block.waits_ms)
            block.tried.clear()
            return []
        block.tried.add(peer)
        request: Request = PartsRequest(block.id, missing)
        if block.whole or len(missing) * PARTS_LEAST_SHARE > len(block.slots):
            request = BodiesRequest((block.id,))
        ask = self._asks.open(peer, request, now)
        block.ask = ask.tag
        block.retry_at = None
        self._asked[ask.tag] = (block, missing)
        return [ask]

    def owns_ask(self, tag: Tag) -> bool:
        """Tell whether a question was this part's."""
        return tag in self._asked

    def responded(self, tag: Tag, peer: PeerId, response: Response, now: Millis) -> list[Effect]:
        """Take an answer."""
        block, asked = self._asked.pop(tag)
        block.ask = None
        match response:
            case Parts(raws) if raws is not None and not block.whole:
                if len(raws) != len(asked):
                    fault = Penalise(peer, Penalty.BAN, f"{len(raws)} parts where {len(asked)} were asked for")
                    return [fault, *self.advance(block, now)]
                # Another form may have filled some of the places since: what was asked for is still what came.
                for index, raw in zip(asked, raws, strict=True):
                    block.slots[index] = raw
                self.fetched_parts += len(raws)
                return self.advance(block, now)
            case Parts():
                return self.advance(block, now)
            case Bodies((body,)) if body is not None:
                block.from_peer = peer
                self.fetched_whole += 1
                return self._check(block, body)
            case Bodies((None,)) | Bodies(()):
                return self.advance(block, now)
            case _:
                fault = Penalise(peer, Penalty.BAN, "an answer to another question")
                return [fault, *self.advance(block, now)]

    def failed(self, tag: Tag, now: Millis) -> list[Effect]:
        """A question got no answer: ask the next neighbour."""
        block, _ = self._asked.pop(tag)
        block.ask = None
        return self.advance(block, now)

    def owns_check(self, tag: Tag) -> bool:
        """Tell whether a body is being checked for this part."""
        return tag in self._checking

    def take_checked(self, tag: Tag) -> Announced:
        """Return the block whose body was checked."""
        return self._checking.pop(tag)

    def mismatch(self, block: Announced, now: Millis) -> list[Effect]:
        """A body was not its header's: whoever sent it whole is at fault; a compact form falls back to the whole."""
        effects: list[Effect] = []
        if block.from_peer is not None:
            effects.append(Penalise(block.from_peer, Penalty.BAN, "a body that is not its header's"))
            block.from_peer = None
        block.whole = True
        block.step(Step.MISMATCH)
        return effects + self.advance(block, now)

    def forget(self, block: Announced) -> None:
        """A block was dropped: its answers come too late."""
        if block.ask is not None:
            self._asked.pop(block.ask, None)

    def _check(self, block: Announced, body: bytes) -> list[Effect]:
        tag = self._tags.next()
        self._checking[tag] = block
        block.step(Step.COMPLETE)
        block.retry_at = None
        return [CheckBody(tag, block.chained.header, body, urgent=True)]

    def _next_peer(self, block: Announced) -> PeerId | None:
        """Return the sender first, then the others by a rank that differs from block to block, to spread the load."""
        others = sorted(
            (neighbour.peer for neighbour in self._neighbours.all()),
            key=lambda peer: (peer != block.sender, bytes(a ^ b for a, b in zip(peer, block.id, strict=False))),
        )
        return next((peer for peer in others if peer not in block.tried and self._asks.has_room(peer)), None)
