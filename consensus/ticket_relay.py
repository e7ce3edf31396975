"""Which tickets travel: the only-better rule (rule 8 of DESIGN section 5) as a sans-IO machine.

A ticket is relayed only if its parent is open (the best tip or one of the two best siblings), its key is in the
snapshot, (key, parent) is unseen, and what it claims beats the best known: a parent costs the network a handful of
relayed tickets however many validators there are. A claim that the proof does not bear out bans the sender.
"""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from chain.block import ChainedHeader, Ticket, decode_ticket, encode_ticket
from chain.params import ChainParams
from chain.ports import EpochStake
from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Hash32, Millis
from chain.rules import InvalidBlock
from consensus.ticket import Draw, claimed_draw, verify_ticket

MESSAGE_MAX = 320
"""Longest ticket message, bytes: a parent id and a ticket of 33 + 81 + 20 + 64 bytes, with room for their heads."""

OPEN_PARENTS = 3
"""The best tip and the two best siblings."""

EARLY_MAX = 64
"""Tickets held whose parent is not open yet (they can overtake the block). Such a ticket can only be judged with its
parent, so that anybody can make any number of them: when all places are taken, the sender that holds most gives up its
oldest. No sender can push out those of the others beyond its own share of the places."""

EARLY_HOLD = Millis(10_000)
"""How long an early ticket is held: longer than a block takes to cross the network."""

SEEN_MAX = 4_096
"""Keys remembered per open parent; only verified tickets enter, and each one had to beat those before it."""


@dataclass(frozen=True, slots=True)
class TicketMessage:
    """What travels on the ticket topic."""

    parent_id: Hash32
    ticket: Ticket


def encode_message(message: TicketMessage) -> bytes:
    """Return the canonical bytes of a ticket message."""
    return pack([message.parent_id, encode_ticket(message.ticket)])


def decode_message(raw: bytes) -> TicketMessage:
    """Return the message of `raw`. Raises `Malformed`."""
    fields = unpack(raw, max_bytes=MESSAGE_MAX, max_items=2)
    if not isinstance(fields, list) or len(fields) != 2:
        raise Malformed("a ticket message has two fields")
    parent_id, ticket = fields
    if not isinstance(parent_id, bytes) or len(parent_id) != 32 or not isinstance(ticket, bytes):
        raise Malformed("a ticket message holds a parent id and a ticket")
    return TicketMessage(Hash32(parent_id), decode_ticket(ticket))


class Judgement(Enum):
    """What becomes of a ticket message that a neighbour sent."""

    ACCEPT = "accept"
    REJECT = "reject"
    """Invalid, and the sender could have known: it is banned."""
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class OpenParent:
    """A block on which tickets are taken, and what the block after it is judged against."""

    parent: ChainedHeader
    stake: EpochStake


@dataclass(frozen=True, slots=True)
class JudgeTicket:
    """Answer the relay's round trip for one message."""

    key: bytes
    judgement: Judgement
    reason: str


@dataclass(frozen=True, slots=True)
class PublishTicket:
    """Hand an own ticket to the relay."""

    payload: bytes


@dataclass(frozen=True, slots=True)
class BestTicket:
    """A parent has a better ticket than before: the miner wants it."""

    parent_id: Hash32
    draw: Draw


TicketEffect: TypeAlias = JudgeTicket | PublishTicket | BestTicket


@dataclass(frozen=True, slots=True)
class TicketStatistics:
    """Counters since the start."""

    accepted: int
    rejected: int
    ignored: int
    """Not better, seen before, or for a parent that never opened."""
    published: int
    held: int
    """Early tickets held now."""


@dataclass(slots=True)
class _Open:
    stake: EpochStake
    height: int
    best: Draw | None
    seen: OrderedDict[bytes, None]


@dataclass(frozen=True, slots=True)
class _Early:
    message: TicketMessage
    sender: PeerId
    until: Millis


class TicketRelay:
    """The tickets of the parents that are open now; mutable, owned by the node's event loop."""

    def __init__(self, params: ChainParams) -> None:
        self._params = params
        self._open: dict[Hash32, _Open] = {}
        self._early: dict[bytes, _Early] = {}
        self._accepted = 0
        self._rejected = 0
        self._ignored = 0
        self._published = 0

    def parents_changed(self, parents: Sequence[OpenParent], now: Millis) -> list[TicketEffect]:
        """Take the parents that are open from now on, best first; tickets of all others are forgotten."""
        before = self._open
        self._open = {}
        for entry in parents[:OPEN_PARENTS]:
            known = before.get(entry.parent.id)
            fresh = _Open(entry.stake, entry.parent.height + 1, None, OrderedDict())
            self._open[entry.parent.id] = known or fresh
        effects: list[TicketEffect] = []
        for key, early in list(self._early.items()):
            if early.message.parent_id in self._open:
                del self._early[key]
                effects += self._judge(key, early.message)
        return effects + self.tick(now)

    def validate(self, key: bytes, payload: bytes, sender: PeerId, now: Millis) -> list[TicketEffect]:
        """Judge a message that a neighbour brought under the name `key`; the answer may come with a later call."""
        try:
            message = decode_message(payload)
        except Malformed as error:
            return [self._answer(key, Judgement.REJECT, str(error))]
        if message.parent_id in self._open:
            return self._judge(key, message)
        effects: list[TicketEffect] = []
        self._early[key] = _Early(message, sender, Millis(now + EARLY_HOLD))
        if len(self._early) > EARLY_MAX:
            given_up = self._most_crowding()
            del self._early[given_up]
            effects.append(self._answer(given_up, Judgement.IGNORE, "parent unknown"))
        return effects

    def _most_crowding(self) -> bytes:
        """Return the oldest early ticket of the sender that holds most; of several such senders, the oldest of all."""
        held = Counter(early.sender for early in self._early.values())
        most = max(held.values())
        return next(key for key, early in self._early.items() if held[early.sender] == most)

    def own(self, parent_id: Hash32, draw: Draw) -> list[TicketEffect]:
        """Take a ticket of this node's staker: published if its parent is open and it beats the best known."""
        state = self._open.get(parent_id)
        if state is None or not draw.beats(state.best):
            return []
        self._published += 1
        self._take(state, draw)
        payload = encode_message(TicketMessage(parent_id, draw.ticket))
        return [PublishTicket(payload), BestTicket(parent_id, draw)]

    def best(self, parent_id: Hash32) -> Draw | None:
        """Return the best verified ticket known for a parent."""
        state = self._open.get(parent_id)
        return state.best if state is not None else None

    def deadline(self) -> Millis | None:
        """Return when the first early ticket is given up."""
        return min((early.until for early in self._early.values()), default=None)

    def tick(self, now: Millis) -> list[TicketEffect]:
        """Give up early tickets whose parent did not come."""
        late = [key for key, early in self._early.items() if early.until <= now]
        for key in late:
            del self._early[key]
        return [self._answer(key, Judgement.IGNORE, "parent unknown") for key in late]

    def statistics(self) -> TicketStatistics:
        """Return the counters."""
        return TicketStatistics(self._accepted, self._rejected, self._ignored, self._published, len(self._early))

    def _judge(self, key: bytes, message: TicketMessage) -> list[TicketEffect]:
        state = self._open[message.parent_id]
        ticket = message.ticket
        if ticket.validator_key in state.seen:
            return [self._answer(key, Judgement.IGNORE, "a ticket of this key is known")]
        try:
            claim = claimed_draw(self._params, ticket, height=state.height, stake=state.stake)
            if not claim.beats(state.best):
                return [self._answer(key, Judgement.IGNORE, "not better")]
            draw = verify_ticket(
                self._params, ticket, parent_id=message.parent_id, height=state.height, stake=state.stake
            )
        except InvalidBlock as error:
            return [self._answer(key, Judgement.REJECT, str(error))]
        self._take(state, draw)
        return [self._answer(key, Judgement.ACCEPT, ""), BestTicket(message.parent_id, draw)]

    def _take(self, state: _Open, draw: Draw) -> None:
        # Only a verified ticket marks its key: otherwise garbage under a validator's key would silence it.
        state.best = draw
        state.seen[draw.ticket.validator_key] = None
        if len(state.seen) > SEEN_MAX:
            state.seen.popitem(last=False)

    def _answer(self, key: bytes, judgement: Judgement, reason: str) -> JudgeTicket:
        self._accepted += judgement is Judgement.ACCEPT
        self._rejected += judgement is Judgement.REJECT
        self._ignored += judgement is Judgement.IGNORE
        return JudgeTicket(key, judgement, reason)
