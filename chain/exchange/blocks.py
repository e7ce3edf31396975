"""Announced blocks, a neighbour's or our miner's: rule 10's checks in their order, relay at the right time, import."""

from collections.abc import Sequence

from chain.block import Block, ChainedHeader, header_id
from chain.exchange.announced import FORMS_MAX, Announced, Announcement, Stage, Step
from chain.exchange.asks import Tags
from chain.exchange.assembly import Assembly
from chain.exchange.bounded import RecentBodies, RecentHashes
from chain.exchange.compact import decode_compact, encode_compact, make_compact
from chain.exchange.contest import Contest
from chain.exchange.effects import (
    CheckSeals,
    Effect,
    Import,
    Judgement,
    OwnRefused,
    Penalise,
    Publish,
    SealCheck,
    Tag,
    Verdict,
)
from chain.exchange.held import Held, HeldBlocks
from chain.exchange.neighbours import Neighbours
from chain.exchange.policy import ExchangePolicy
from chain.exchange.ports import BlockSource, PoolReader, StakeSource
from chain.exchange.topics import Topic
from chain.ports import SealRules
from chain.primitives.errors import Malformed
from chain.primitives.peer import PeerId
from chain.primitives.units import Hash32, Millis
from chain.rules import InvalidBlock, Rule
from chain.transaction import SignedTransaction
from chain.verified import ImportStatus, VerifiedBlock

ANNOUNCED_MAX = 64
"""Announced blocks between claim and import; beyond it new ones are ignored, and catch-up finds them later."""

ANNOUNCED_PER_PEER = 8
"""Of these from one neighbour, so that none can fill the table."""

ANNOUNCED_BYTES_MAX = 16 << 20
"""Sum of the messages of both tables; beyond it new ones are ignored. What is long in them is prefilled bodies."""

WAITING_MAX = 32
"""Announced blocks whose parent is not imported yet; beyond it new ones are ignored."""

WAITING_PER_PEER = 4
"""Of these from one neighbour."""

WAITING_LIFETIME = Millis(30_000)
"""How long a block waits for its parent; catch-up brings both later."""

WAITING_WINDOW = 16
"""A block this much higher than the head is not kept: catch-up comes first. Lower by FORK_WINDOW it is an old fork."""

FORK_WINDOW = 64

GIVE_UP_AFTER = Millis(60_000)
"""A block whose body nobody had for so long is forgotten; catch-up brings it if others have it."""

SETTLED_AGE = 3_000
"""A transaction that has been in the pool for so many ms is assumed to be in the others' pools: relay takes < 2 s."""


class Blocks:
    """The BLOCK topic and the blocks that our own miner finds."""

    def __init__(
        self,
        policy: ExchangePolicy,
        rules: SealRules,
        *,
        source: BlockSource,
        stakes: StakeSource,
        pool: PoolReader,
        neighbours: Neighbours,
        assembly: Assembly,
        invalid: RecentHashes,
        recent: RecentBodies,
        tags: Tags,
    ) -> None:
        self._policy = policy
        self._rules = rules
        self._source = source
        self._stakes = stakes
        self._pool = pool
        self._neighbours = neighbours
        self._assembly = assembly
        self._invalid = invalid
        self._recent = recent
        self._tags = tags
        self.contest = Contest(source)
        self._blocks: dict[Hash32, Announced] = {}
        self._waiting: dict[Hash32, Announcement] = {}
        self._held = HeldBlocks()
        self._sealing: dict[Tag, Announced] = {}
        self._importing: dict[Tag, Announced] = {}
        self.accepted = 0
        self.rejected = 0
        self.ignored = 0
        self.published = 0
        self.checked_seals = 0
        self.invalid_bodies = 0

    # arrivals

    def validate(self, key: bytes, payload: bytes, sender: PeerId, now: Millis) -> list[Effect]:
        """Judge an announced block as far as that is cheap; the verdict comes now or later."""
        try:
            compact = decode_compact(payload)
        except Malformed as error:
            return self._reject(key, sender, error)
        block_id = header_id(compact.sealed.header)
        announcement = Announcement(compact, block_id, key, sender, now, len(payload))
        if self._held_bytes() + len(payload) > ANNOUNCED_BYTES_MAX:
            return self._ignore(key, "no room")
        known = self._blocks.get(block_id)
        if known is not None:
            return self._another_form(known, announcement, now)
        if block_id in self._waiting or self._source.chained(block_id) is not None:
            return self._ignore(key, "known")
        if self._invalid.has(block_id, now) or self._invalid.has(compact.sealed.header.parent_id, now):
            # whoever relays it has checked the seal, not the body: no blame
            return self._ignore(key, "known to be invalid")
        return self._judge(announcement, now)

    def found(self, block: Block, now: Millis) -> list[Effect]:
        """Take a block of our own miner: the same checks, published when a neighbour's would be relayed."""
        block_id = header_id(block.sealed.header)
        if block_id in self._blocks or self._source.chained(block_id) is not None:
            return []
        parent = self._source.chained(block.sealed.header.parent_id)
        if parent is None:
            return []
        try:
            chained = self._rules.chain(block.sealed, parent)
        except InvalidBlock as error:
            return [OwnRefused(parent.id, block.sealed.header.height, error)]
        if not self.contest.is_worth(chained):
            return []
        compact = make_compact(
            block.sealed,
            block_id,
            block.transactions,
            lambda tx_hash: self._pool.is_settled(tx_hash, SETTLED_AGE, now),
        )
        announced = Announced(
            chained, compact, sender=None, key=None, payload=encode_compact(compact), arrived=now, size_bytes=0
        )
        announced.slots = [tx.raw for tx in block.transactions]
        return self._check_seal(announced, parent)

    def parent_imported(self, parent_id: Hash32, now: Millis) -> list[Effect]:
        """Judge the blocks that waited for a parent that is now in the chain."""
        effects: list[Effect] = []
        for waiting in [item for item in self._waiting.values() if item.compact.sealed.header.parent_id == parent_id]:
            del self._waiting[waiting.block_id]
            effects += self._judge(waiting, now)
        return effects

    def _another_form(self, known: Announced, other: Announcement, now: Millis) -> list[Effect]:
        """The same header again, maybe with another claim or another form of its body."""
        if known.forms >= FORMS_MAX:
            return self._ignore(other.key, "known")
        if known.stage is Stage.SEAL:
            # its verdict waits: if the first claim is a lie, this one is judged
            known.forms += 1
            known.rivals.append(other)
            return []
        if known.stage is Stage.BODY:
            # the first form may be a lie that only the body tells; this one may fill its gaps
            known.forms += 1
            self._assembly.fill(known, other.compact)
            return [*self._ignore(other.key, "known"), *self._assembly.advance(known, now)]
        return self._ignore(other.key, "known")

    def _held_bytes(self) -> int:
        announced = sum(
            block.size_bytes + sum(rival.size_bytes for rival in block.rivals) for block in self._blocks.values()
        )
        return announced + sum(waiting.size_bytes for waiting in self._waiting.values())

    def _judge(self, waiting: Announcement, now: Millis) -> list[Effect]:
        sealed, key, sender = waiting.compact.sealed, waiting.key, waiting.sender
        if self._source.chained(waiting.block_id) is not None:
            return self._ignore(key, "known")
        parent = self._source.chained(sealed.header.parent_id)
        if parent is None:
            return self._wait(waiting, now)
        if parent.height < self._source.state_floor():
            return self._ignore(key, "a fork from below the states that are kept here")
        try:
            chained = self._rules.chain(sealed, parent)
        except InvalidBlock as error:
            return self._reject(key, sender, error)
        neighbour = self._neighbours.get(sender)
        if chained.time > now + self._policy.max_ahead:
            return self._ignore(key, Rule.TOO_FAR_AHEAD.value)
        if not self.contest.is_worth(chained):
            return self._ignore(key, "a better block is known")
        from_peer = sum(block.sender == sender for block in self._blocks.values())
        if len(self._blocks) >= ANNOUNCED_MAX or from_peer >= ANNOUNCED_PER_PEER:
            return self._ignore(key, "no room")
        if neighbour is None or not neighbour.pay_check(now):
            return self._ignore(key, "the link's budget is spent")
        block = Announced(
            chained,
            waiting.compact,
            sender=sender,
            key=key,
            payload=None,
            arrived=waiting.arrived,
            size_bytes=waiting.size_bytes,
        )
        return self._check_seal(block, parent)

    def _wait(self, waiting: Announcement, now: Millis) -> list[Effect]:
        height, head = waiting.compact.sealed.header.height, self._source.head().height
        if height < head - FORK_WINDOW:
            return self._ignore(waiting.key, "an old fork")
        if waiting.compact.sealed.header.parent_id not in self._blocks:
            self._neighbours.hint(waiting.sender, now)
        from_peer = sum(item.sender == waiting.sender for item in self._waiting.values())
        if height > head + WAITING_WINDOW or len(self._waiting) >= WAITING_MAX or from_peer >= WAITING_PER_PEER:
            return self._ignore(waiting.key, "the parent is not here")
        self._waiting[waiting.block_id] = waiting
        return []

    # results of work

    def _check_seal(self, block: Announced, parent: ChainedHeader) -> list[Effect]:
        tag = self._tags.next()
        self._blocks[block.id] = block
        self._sealing[tag] = block
        self.checked_seals += 1
        check = SealCheck(block.chained.sealed, self._stakes.epoch_stake(parent))
        return [CheckSeals(tag, (check,), urgent=True)]

    def owns_seal(self, tag: Tag) -> bool:
        """Tell whether a seal was checked for this part."""
        return tag in self._sealing

    def seals_checked(self, tag: Tag, results: Sequence[InvalidBlock | None], now: Millis) -> list[Effect]:
        """Punish a false claim; hold a true one until its time of relay and complete its body."""
        block = self._sealing.pop(tag)
        (error,) = results
        if error is not None:
            del self._blocks[block.id]
            effects: list[Effect] = _told_to_miner(block, error)
            if block.key is not None and block.sender is not None:
                effects += self._reject(block.key, block.sender, error)
            for rival in block.rivals:
                # the same header under another claim: a lie that came first must not keep the truth out
                known = self._blocks.get(block.id)
                effects += self._judge(rival, now) if known is None else self._another_form(known, rival, now)
            return effects
        self.contest.enter(block.chained)
        block.step(Step.SEALED)
        if block.sender is not None:
            self._assembly.fill(block, block.compact)
        held = Held(block.id, block.key, block.payload)
        given_up = self._held.put(held, Millis(block.chained.time - self._policy.pre_relay))
        effects = [] if given_up is None else self._release(given_up, is_best=False)
        for rival in block.rivals:
            self._assembly.fill(block, rival.compact)
            effects += self._ignore(rival.key, "known")
        block.rivals.clear()
        return effects + self._relay_due(now) + self._assembly.advance(block, now)

    def body_checked(self, tag: Tag, result: tuple[SignedTransaction, ...] | InvalidBlock, now: Millis) -> list[Effect]:
        """Import a block whose body is its own."""
        block = self._assembly.take_checked(tag)
        if isinstance(result, InvalidBlock):
            if result.rule is Rule.TRANSACTIONS_ROOT and block.key is not None:
                return self._assembly.mismatch(block, now)
            return self._drop_invalid(block, result, now)
        block.step(Step.VERIFIED)
        self._recent.put(block.id, tuple(signed.tx.raw for signed in result))
        importing = self._tags.next()
        self._importing[importing] = block
        return [Import(importing, VerifiedBlock(block.chained.sealed, result, block.arrived), block.id)]

    def owns_import(self, tag: Tag) -> bool:
        """Tell whether an import was this part's."""
        return tag in self._importing

    def imported(self, tag: Tag, outcome: ImportStatus | InvalidBlock, now: Millis) -> tuple[list[Effect], Hash32]:
        """Take the importer's word; returns the block's id, for those that wait for it."""
        block = self._importing.pop(tag)
        if isinstance(outcome, InvalidBlock):
            return self._drop_invalid(block, outcome, now), block.id
        if outcome is ImportStatus.PRUNED:
            self.contest.strike_out(block.id)
        self.contest.imported(block.id)
        self._blocks.pop(block.id, None)
        return [], block.id

    def _drop_invalid(self, block: Announced, error: InvalidBlock, now: Millis) -> list[Effect]:
        """Forget a block with a true seal and an invalid body: relayers check seals only, so nobody is blamed here."""
        self._blocks.pop(block.id, None)
        self._invalid.add(block.id, now)
        self.contest.strike_out(block.id)
        self.invalid_bodies += 1
        effects: list[Effect] = _told_to_miner(block, error)
        for waiting in [item for item in self._waiting.values() if item.compact.sealed.header.parent_id == block.id]:
            del self._waiting[waiting.block_id]
            effects += self._ignore(waiting.key, "its parent is invalid")
        return effects

    # time

    def tick(self, now: Millis) -> list[Effect]:
        """Relay what may be relayed now, ask again for bodies, forget what waited in vain."""
        effects = self._relay_due(now)
        for waiting in [item for item in self._waiting.values() if item.arrived + WAITING_LIFETIME <= now]:
            del self._waiting[waiting.block_id]
            effects += self._ignore(waiting.key, "its parent did not come")
        for block in list(self._blocks.values()):
            if block.retry_at is None or block.retry_at > now:
                continue
            if block.arrived + GIVE_UP_AFTER <= now:
                self._assembly.forget(block)
                del self._blocks[block.id]
            else:
                effects += self._assembly.advance(block, now)
        return effects

    def deadline(self) -> Millis | None:
        """Return when `tick` next has work."""
        times = [block.retry_at for block in self._blocks.values() if block.retry_at is not None]
        times += [Millis(item.arrived + WAITING_LIFETIME) for item in self._waiting.values()]
        held = self._held.deadline()
        if held is not None:
            times.append(held)
        return min(times, default=None)

    def sizes(self) -> tuple[int, int, int]:
        """Return how many blocks are between claim and import, wait for a parent, and are held back."""
        return len(self._blocks), len(self._waiting), len(self._held)

    def _relay_due(self, now: Millis) -> list[Effect]:
        effects: list[Effect] = []
        for held in self._held.due(now):
            effects += self._release(held, is_best=self.contest.is_best(held.block_id))
        return effects

    def _release(self, held: Held, *, is_best: bool) -> list[Effect]:
        if held.key is not None:
            if not is_best:
                return self._ignore(held.key, "a better block is known")
            self.accepted += 1
            return [Verdict(held.key, Judgement.ACCEPT, "")]
        if held.payload is None or not is_best:
            return []
        self.published += 1
        return [Publish(Topic.BLOCK, held.payload)]

    def _reject(self, key: bytes, sender: PeerId, error: Malformed | InvalidBlock) -> list[Effect]:
        self.rejected += 1
        return [Verdict(key, Judgement.REJECT, str(error)), Penalise(sender, error.penalty, str(error))]

    def _ignore(self, key: bytes, reason: str) -> list[Effect]:
        self.ignored += 1
        return [Verdict(key, Judgement.IGNORE, reason)]


def _told_to_miner(block: Announced, error: InvalidBlock) -> list[Effect]:
    if block.sender is not None:
        return []
    header = block.chained.header
    return [OwnRefused(header.parent_id, header.height, error)]
