"""Answers to peers, each within a budget."""

from chain.block import encode_sealed
from chain.exchange.bounded import RecentBodies
from chain.exchange.effects import Effect, Penalise, Refuse, Reply
from chain.exchange.messages import (
    BODIES_MAX,
    PARTS_MAX,
    Bodies,
    BodiesRequest,
    HeadersRequest,
    Parts,
    PartsRequest,
    PickRequest,
    Response,
    Status,
    WaitingRequest,
    decode_request,
    encode_headers,
    encode_response,
)
from chain.exchange.neighbours import Neighbour, Neighbours
from chain.exchange.ports import BlockSource
from chain.exchange.waiting import WaitingLists
from chain.exchange.work import split_body
from chain.params import ChainParams
from chain.primitives.canonical import pack
from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Hash32, Millis

BUSY = "busy"
"""Refusal of a request beyond the peer's budget: no fault of either side, to be tried again later."""

STRANGER = "not a neighbour"
"""Refusal of a request that came by direct message: budgets are kept for neighbours alone."""

ANSWER_BYTES = (1 << 20) + (256 << 10)
"""Bodies stop before this sum; the first one always fits (a body has at most 1 MiB)."""


class Server:
    """Answers requests from the imported chain, from the bodies that were just verified and from the pool."""

    def __init__(
        self,
        params: ChainParams,
        source: BlockSource,
        neighbours: Neighbours,
        recent: RecentBodies,
        waiting: WaitingLists,
    ) -> None:
        self._params = params
        self._source = source
        self._neighbours = neighbours
        self._recent = recent
        self._waiting = waiting
        self.served_bytes = 0
        self.refused = 0

    def requested(self, request: int, peer: PeerId, payload: bytes, now: Millis) -> tuple[list[Effect], Status | None]:
        """Answer a request; return the peer's status beside the effects if it told it."""
        neighbour = self._neighbours.get(peer)
        if neighbour is None:
            return [self.refuse(request, STRANGER)], None
        if not neighbour.bytes.is_open(now) or not neighbour.requests.take(1, now):
            return [self.refuse(request, BUSY)], None
        try:
            asked = decode_request(payload)
        except Malformed as error:
            return [self.refuse(request, "malformed"), Penalise(peer, error.penalty, str(error))], None
        match asked:
            case Status():
                return [self._reply(request, neighbour, self._neighbours.own_status(), now)], asked
            case HeadersRequest():
                return [self._charged(request, neighbour, self._headers(asked), now)], None
            case BodiesRequest(ids):
                return [self._reply(request, neighbour, self._bodies(ids), now)], None
            case PartsRequest():
                return [self._reply(request, neighbour, self._parts(asked), now)], None
            case WaitingRequest():
                return [self._charged(request, neighbour, self._waiting.waiting(now), now)], None
            case PickRequest():
                return [self._reply(request, neighbour, self._waiting.pick(asked), now)], None

    def refuse(self, request: int, reason: str) -> Refuse:
        """Refuse a request without reading it."""
        self.refused += 1
        return Refuse(request, reason)

    def _reply(self, request: int, neighbour: Neighbour, response: Response, now: Millis) -> Reply:
        return self._charged(request, neighbour, encode_response(response), now)

    def _charged(self, request: int, neighbour: Neighbour, payload: bytes, now: Millis) -> Reply:
        neighbour.bytes.charge(len(payload), now)
        self.served_bytes += len(payload)
        return Reply(request, payload)

    def _headers(self, asked: HeadersRequest) -> bytes:
        start = next((height for item in asked.locator if (height := self._canonical_height(item)) is not None), None)
        headers: list[bytes] = []
        if start is not None:
            for height in range(start + 1, start + 1 + asked.limit):
                block_id = self._source.canonical_id(height)
                chained = None if block_id is None else self._source.chained(block_id)
                if chained is None:
                    break
                headers.append(encode_sealed(chained.sealed))
        return encode_headers(headers)

    def _canonical_height(self, block_id: Hash32) -> int | None:
        chained = self._source.chained(block_id)
        if chained is None or self._source.canonical_id(chained.height) != block_id:
            return None
        return chained.height

    def _bodies(self, ids: tuple[Hash32, ...]) -> Bodies:
        bodies: list[bytes | None] = []
        size = 0
        for block_id in ids[:BODIES_MAX]:
            body = self._body(block_id)
            if body is not None:
                size += len(body)
                if bodies and size > ANSWER_BYTES:
                    break
            bodies.append(body)
        return Bodies(tuple(bodies))

    def _body(self, block_id: Hash32) -> bytes | None:
        raws = self._recent.get(block_id)
        return self._source.body(block_id) if raws is None else pack(list(raws))

    def _parts(self, asked: PartsRequest) -> Parts:
        raws = self._recent.get(asked.block_id)
        if raws is None:
            body = self._source.body(asked.block_id)
            if body is None:
                return Parts(None)
            raws = tuple(split_body(body, self._params))
        if asked.indexes[-1] >= len(raws):
            return Parts(None)
        return Parts(tuple(raws[index] for index in asked.indexes[:PARTS_MAX]))
