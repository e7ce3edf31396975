"""The gossip machine (DESIGN section 3.2): takes records in, keeps the map, spreads what is new, signs the own."""

from collections.abc import Callable, Mapping, Sequence, Set
from random import Random

from chain.primitives.errors import RemoteError
from chain.primitives.peer import PREFIX_BYTES, PeerId
from chain.primitives.units import Hash32, Millis
from net.core.effects import Alarm, MapEvent, Priority
from net.core.identity.identity import Identity
from net.core.identity.proof import epoch_of
from net.core.map._answers import Answers
from net.core.map._backlog import Backlog
from net.core.map._counts import Counts
from net.core.map._deltas import Arrived, Deltas
from net.core.map._flows import Brought
from net.core.map._interest import Interest
from net.core.map._origins import Origins
from net.core.map._pulls import PULL_AFTER, Pulls
from net.core.map._recent import Names, Seen
from net.core.map._spread import Spread, record_frames
from net.core.map._tree import Trees
from net.core.map._unconfirmed import Unconfirmed
from net.core.map._verifier import Verifier
from net.core.map.checks import Checks
from net.core.map.effects import MapEffect, Untold
from net.core.map.horizon import NO_FINGERPRINT, Horizon
from net.core.map.own import OwnLink, OwnRecord, Signing, Verdict
from net.core.map.peer_map import PeerMap
from net.core.map.refusal import Refusal
from net.core.map.statistics import Forged, GossipStatistics
from net.core.moments import soonest
from net.core.ports import RecordArchive
from net.core.wire.fault import Fault, Spent
from net.core.wire.frame import FrameKind, ToPeer
from net.core.wire.gossip import (
    RecordName,
    Turn,
    contradict,
    decode_equivocation,
    decode_have,
    decode_records,
    decode_want,
    encode_equivocation,
    name_prefix,
    record_name,
)
from net.core.wire.record import Flags, Record, encode_record, origin_of

SWEEP_EVERY = Millis(60_000)
"""How often expired records, old digests and idle origins are looked for."""

SAMPLE = 100
"""One in this many records of a range is checked at once, by private choice (DESIGN section 3.2)."""

KINDS = frozenset({FrameKind.RECORDS, FrameKind.RECORDS_HAVE, FrameKind.RECORDS_WANT, FrameKind.EQUIVOCATION})
"""The frames this machine takes; RANGE_ASK and RANGE go to `reconcile.Reconciler`."""


class Gossip:
    """One per node. Holds the one writer's reference to the map and the archive."""

    def __init__(
        self,
        network: Hash32,
        identity: Identity,
        peer_map: PeerMap,
        archive: RecordArchive,
        checks: Checks,
        *,
        rng: Random,
        entropy: Callable[[int], bytes],
        stored: bytes = b"",
        horizon: Horizon | None = None,
    ) -> None:
        """`stored` is the last Persist blob named `own.OWN_BLOB`; raises `Malformed` when it is damaged. `horizon` is
        that of a small device, whose `keeps` the map was given.

        The archived own record, if any, must be this identity's; the map is filled by `loading.load_archive` before.
        """
        self.map, self.horizon = peer_map, horizon
        self._network = network
        self._me = identity.peer
        self._archive = archive
        self._checks = checks
        self._entropy = entropy
        self._rng = rng
        self._own = OwnRecord(network, identity, stored, rng.randrange, None)
        self._seen = Seen(entropy(16))
        self._origins = Origins()
        self._names = Names()
        self.pulls = Pulls()
        self.answers = Answers(peer_map, archive)
        trees = None if horizon else Trees(identity.peer, peer_map)
        self.spread = Spread(identity.peer, self.answers.true_record, checks.between, trees)
        self._deltas = Deltas(peer_map, archive, checks)
        self._verifier = Verifier(peer_map, checks)
        self.backlog = Backlog(peer_map, archive, checks)
        self._interest = Interest()
        self.spread.prefer(self._interest.sets)
        self._unconfirmed = Unconfirmed(identity.peer)
        self._sweep_at: Millis | None = None
        self._counts = Counts()

    # --- links -----------------------------------------------------------------------------------------------------

    def start(self, now: Millis, loaded: Sequence[PeerId] = ()) -> None:
        """Begin: take up the archived own record, so that later ones are newer; check `loaded` in the background."""
        self._sweep_at = Millis(now + SWEEP_EVERY)
        for origin in loaded:
            self.backlog.add(origin, None, now)
        raw = self._archive.get(self._me)
        if raw is not None:
            self._own.adopt(self._checks.decode(raw), now)

    def link_up(self, peer: PeerId, now: Millis) -> list[MapEffect]:
        """Begin to spread over a link (listed or guest; unlisted ones only reconcile). Sends the own record, if any."""
        effects: list[MapEffect] = list(self.spread.add(peer, self.map.degree(peer), now))
        raw = self._archive.get(self._me) if self._me in self.map else None
        return effects if raw is None else [*effects, *record_frames(peer, [raw])]

    def link_down(self, peer: PeerId, now: Millis) -> None:
        """Forget a link."""
        self.spread.remove(peer, now)
        self.pulls.link_down(peer)
        self.answers.link_down(peer)

    # --- what neighbours send --------------------------------------------------------------------------------------

    def receive(self, peer: PeerId, kind: FrameKind, body: bytes, now: Millis) -> list[MapEffect]:
        """Take one frame of `KINDS`. `now` is mesh time. A `Fault` in the result is the neighbour's."""
        try:
            match kind:
                case FrameKind.RECORDS:
                    return self._records(peer, decode_records(body), now)
                case FrameKind.RECORDS_HAVE:
                    self._have(peer, decode_have(body), now)
                    return []
                case FrameKind.RECORDS_WANT:
                    return self._serve(peer, body, now)
                case FrameKind.EQUIVOCATION:
                    return self._equivocation(peer, body, now)
                case _:
                    raise AssertionError(f"{kind.name} is not gossip")
        except RemoteError as error:
            return [Fault(peer, error.penalty, str(error))]

    def _have(self, peer: PeerId, names: list[RecordName], now: Millis, *, patience: int = PULL_AFTER) -> None:
        self.spread.heard(peer, names)
        unknown = [name for name in self._names.unknown(names) if self.map.admits(name_prefix(name))]
        self.pulls.heard(peer, unknown, self.map, now, patience=patience)

    def _records(self, peer: PeerId, entries: list[bytes], now: Millis) -> list[MapEffect]:
        spent, batch = self._verifier.spent(), Brought()
        self._counts.batch = batch
        arrived = self._deltas.open(entries)
        effects = self._without_record(peer, arrived, now)
        answers = {raw for raw in arrived.whole if self.pulls.is_answer(peer, raw, now)}
        batch.overtaken = self.pulls.answered(peer, answers, now)
        for raw in arrived.whole:
            digest = self._seen.digest(raw)
            if digest in self._seen:
                self._repeat(peer, raw)
                continue
            try:
                effects += self._take(peer, raw, digest, now, is_answer=raw in answers)
            except RemoteError as error:
                effects.append(Fault(peer, error.penalty, str(error)))
                break
        effects += self.spread.flows.judged(peer, batch, now)
        return [*effects, *self._verifier.charge(peer, spent)]

    def _without_record(self, peer: PeerId, arrived: Arrived, now: Millis) -> list[MapEffect]:
        """Take note of the deltas that give no record to be taken: those of use are asked for whole."""
        self._have(peer, arrived.baseless, now, patience=0)
        self.spread.heard(peer, arrived.held)
        for name in (*arrived.held, *arrived.doubtful):
            self._counts.repeat(name)
        for seq in arrived.stale:
            self._counts.refuse(Refusal.STALE, seq, now)
        return list(self.spread.ask(peer, arrived.doubtful, Turn.KEEP))

    def _repeat(self, peer: PeerId, raw: bytes) -> None:
        origin = origin_of(raw)
        self._counts.repeat(origin)
        seq = self.map.seq(origin)
        if seq is not None and self._archive.get(origin) == raw:
            self.spread.heard(peer, (record_name(origin[:PREFIX_BYTES], seq),))

    def _take(self, peer: PeerId, raw: bytes, digest: bytes, now: Millis, *, is_answer: bool) -> list[MapEffect]:
        """Take one record: cheap checks, then the signature, then the origin's rate, then the proof."""
        record = self._checks.decode(raw)
        if record.network != self._network:
            raise Forged("a record of another network")
        if record.peer == self._me:
            return self._take_own(record, raw, digest, now)
        reason = self.map.refusal(record, now)
        if reason in (Refusal.DUPLICATE, Refusal.BORN):
            return self._take_twin(peer, record, raw, digest, now)
        waiting = self._origins.held_seq(record.peer)
        useless = reason is not None or (waiting is not None and record.seq <= waiting)
        if is_answer or not useless or self._seen.sampled(digest):
            self._verifier.require_signature(record)  # answers of no use too: else inventions would settle what is owed
        if reason is not None:
            self._counts.refuse(reason, self.map.seq(record.peer) or now, now)
            held = self.answers.true_record(record.peer)
            if reason is Refusal.STALE and peer == record.peer and held is not None:
                return list(record_frames(peer, [held]))  # the origin has lost its clock or its disk: show it its last
            return []
        if useless:
            return []
        self._seen.enter(digest)
        self.pulls.arrived(record.peer, record.seq)  # not before: what nobody signed must not end the search for it
        if not self._origins.admit(record, raw, peer, now):
            return []
        return self._accept(record, raw, peer, now, judged=True)

    def _accept(
        self, record: Record, raw: bytes, sender: PeerId | None, now: Millis, *, judged: bool = False
    ) -> list[MapEffect]:
        """Take a record whose signature is valid and whose turn has come, and pass it on; `judged` as in `apply`."""
        self._verifier.require_proof(record)
        base = self.answers.true_record(record.peer)
        outcome = self.map.apply(record, now, judged=judged)
        if outcome.refusal is not None:
            self._counts.refuse(outcome.refusal, now, now)
            return []
        self._counts.take(record.peer)
        self._archive.put(record.peer, raw)
        self._offer(record, base, sender, now)
        events = self._seen_events(outcome.events, now)
        return events if sender is None or sender in self.spread else [*events, Untold(sender, record.seq)]

    def _offer(self, record: Record, base: bytes | None, sender: PeerId | None, now: Millis) -> None:
        """Pass a record on, as a delta to `base`, the one before it, where that was held and checked."""
        self._names.enter(record_name(record.peer[:PREFIX_BYTES], record.seq))
        self.spread.offer(record.peer, record.seq, base, sender, now)

    def _seen_events(self, events: list[MapEvent], now: Millis) -> list[MapEffect]:
        """Keep the times of own unconfirmed links up to date."""
        self._unconfirmed.seen(events, self._own.links, now)
        return list(events)

    def take_ranged(
        self, peer: PeerId, raws: Sequence[bytes], span: tuple[int, int], now: Millis
    ) -> tuple[list[MapEffect], bool]:
        """Take records of a map range that `peer` delivered, and tell whether it may go on delivering.

        `span` bounds the first 8 bytes of their ids. Neighbours, candidates, route members and a random hundredth are
        checked at once, the rest in the background; one failure discards all that is unchecked of this sender. They
        are not passed on: others have them. Their links count from the next `settle` on.
        """
        effects: list[MapEffect] = []
        spent = self._verifier.spent()
        for raw in raws:
            try:
                effects += self._take_ranged(peer, raw, span, now)
            except RemoteError as error:
                effects += self.backlog.discard(peer, now, first=None)
                return [*effects, Fault(peer, error.penalty, str(error))], False
        return [*effects, *self._verifier.charge(peer, spent)], True

    def _take_ranged(self, peer: PeerId, raw: bytes, span: tuple[int, int], now: Millis) -> list[MapEffect]:
        record = self._checks.decode(raw)
        origin = record.peer
        if record.network != self._network or not span[0] <= int.from_bytes(origin[:8], "big") <= span[1]:
            raise Forged("a record that does not belong into its range")
        if origin == self._me:
            return self._take_own(record, raw, self._seen.digest(raw), now)
        if self.map.refusal(record, now) is not None:
            return []
        at_once = origin in self._interest or self._rng.randrange(SAMPLE) == 0
        if at_once:
            self._verifier.require_signature(record)
            self._verifier.require_proof(record)
            self.pulls.arrived(origin, record.seq)
        outcome = self.map.apply(record, now, checked=at_once, settle_later=True, judged=True)
        self._counts.take(origin)
        self._archive.put(origin, raw)
        if not at_once:
            self.backlog.add(origin, peer, now)
        return self._seen_events(outcome.events, now)

    def settle(self, now: Millis) -> list[MapEffect]:
        """Take up the links of the records that came in ranges; return those confirmed."""
        self.spread.flows.map_came(now)
        return self._seen_events(self.map.settle(), now)

    # --- contradictions --------------------------------------------------------------------------------------------

    def _take_twin(self, peer: PeerId, record: Record, raw: bytes, digest: bytes, now: Millis) -> list[MapEffect]:
        """Take a record that repeats or contradicts the one held."""
        held_raw = self._archive.get(record.peer)
        if held_raw is None or held_raw == raw:
            self._repeat(peer, raw)
            return []
        held = self._checks.decode(held_raw)
        if not contradict(held, record):
            if self._seen.sampled(digest):
                self._verifier.require_signature(record)
            self._counts.repeat(record.peer)  # the same content under another signature: nobody gains by relaying it
            return []
        self._verifier.require_signature(record)
        self._seen.enter(digest)
        facts = self.map.facts(record.peer)
        if facts is not None and not facts.checked and not self._checks.signature(held):
            effects: list[MapEffect] = list(self.map.forget([record.peer], now))
            self._archive.delete(record.peer)
            return effects + self._accept(record, raw, peer, now)
        return self._convict(record.peer, held_raw, raw, peer, now)

    def _equivocation(self, peer: PeerId, body: bytes, now: Millis) -> list[MapEffect]:
        left, right = decode_equivocation(body)
        origin = left.peer
        if left.network != self._network:
            raise Forged("a contradiction of another network")
        if self.map.expelled(origin, now):
            return []
        if epoch_of(origin, max(left.seq, right.seq)) != epoch_of(origin, now):
            return []  # atoned: an expulsion ends with the id's epoch, and old proofs must not begin it anew
        for record in (left, right):
            self._verifier.require_signature(record)
        if origin not in self.map:
            self._verifier.require_proof(left)  # else keys without any work would fill the table of the expelled
        first, second = encode_record(left), encode_record(right)
        return [Spent(peer, argon2=1, signatures=2), *self._convict(origin, first, second, peer, now)]

    def _convict(self, origin: PeerId, first: bytes, second: bytes, sender: PeerId, now: Millis) -> list[MapEffect]:
        """Expel an id by two signed records, and tell everyone once."""
        if origin == self._me:
            return self._duplicate_identity()
        self._counts.expelled += 1
        effects = self._seen_events(self.map.expel(origin, now), now)
        self._archive.delete(origin)
        body = encode_equivocation(first, second)
        others = [peer for peer in self.spread.peers() if peer not in (sender, origin)]
        return [*effects, *(ToPeer(peer, FrameKind.EQUIVOCATION, body, Priority.CONTROL) for peer in others)]

    # --- the own record --------------------------------------------------------------------------------------------

    def _take_own(self, record: Record, raw: bytes, digest: bytes, now: Millis) -> list[MapEffect]:
        self._verifier.require_signature(record)
        self._seen.enter(digest)
        match self._own.judge(record, raw, self._archive.get(self._me), now):
            case Verdict.OLD:
                return []
            case Verdict.EARLIER_RUN:
                self._own.adopt(record, now)
                return []
            case Verdict.DUPLICATE:
                return self._duplicate_identity()

    def _duplicate_identity(self) -> list[MapEffect]:
        if self._own.signing is Signing.HALTED:
            return []
        self._own.halt()
        text = "another process signs with this node's key: stop one of them, the data directory is used twice"
        return [Alarm("duplicate_identity", text)]

    def allow_signing(self, now: Millis) -> None:
        """Permit the own record: the mesh clock has agreed on the time (three ids of two first contacts)."""
        self._own.allow(now)

    @property
    def halted(self) -> bool:
        """Whether the node found its identity in use elsewhere: it must go on no further."""
        return self._own.signing is Signing.HALTED

    def own_links_changed(self, links: Mapping[PeerId, OwnLink], now: Millis) -> None:
        """Take the listed links as they are now: signed and spread by `tick` when they have settled."""
        self._own.set_links(links, now, at_once=self.spread.flows.healing)
        self._unconfirmed.keep(links)

    def own_facts_changed(self, flags: Flags, uplink: int, tags: tuple[int, int, int], now: Millis) -> None:
        """Take what the node says about itself as it is now; the healing flag is among the flags."""
        self._own.set_facts(flags, uplink, tags, now)

    def identity_renewed(self, identity: Identity, now: Millis) -> None:
        """Take the identity with the proof of its new epoch."""
        self._own.renewed(identity, now)

    def unconfirmed(self) -> list[tuple[PeerId, Millis]]:
        """Return the own listed links that the other end has not confirmed, and since when: the overlay closes
        them past CONFIRM_TIMEOUT (DESIGN section 3.2)."""
        return self._unconfirmed.items()

    def _sign(self, now: Millis) -> list[MapEffect]:
        record, persists = self._own.sign(now, self._entropy(32))
        return [*persists, *self._spread_own(record, now)]

    def _spread_own(self, record: Record, now: Millis) -> list[MapEffect]:
        raw, base = encode_record(record), self._archive.get(self._me)
        self._counts.signed += 1
        self._counts.signed_bytes += len(raw if base is None else self._checks.between(base, raw) or raw)
        self._seen.enter(self._seen.digest(raw))
        events = self.map.apply(record, now).events
        self._archive.put(self._me, raw)
        self._offer(record, base, None, now)
        self._unconfirmed.wait((peer for peer in self._own.links if not self.map.linked(self._me, peer)), now)
        return self._seen_events(events, now)

    def stop(self, now: Millis) -> list[MapEffect]:
        """Sign and send the last record, without links, and everything that waits."""
        last = self._own.farewell(now, self._entropy(32))
        effects: list[MapEffect] = []
        if last is not None:
            effects += [*last[1], *self._spread_own(last[0], now)]
        return [*effects, *self.spread.flush(now, all_of_it=True)]

    # --- serving and time ------------------------------------------------------------------------------------------

    def _serve(self, peer: PeerId, body: bytes, now: Millis) -> list[MapEffect]:
        want = decode_want(body)
        self.spread.flows.turn(peer, want)
        return list(record_frames(peer, self.answers.named(peer, want.names, now)))

    def set_healing(self, healing: bool) -> None:  # noqa: FBT001 (the state itself, by its name)
        """Turn immediate flooding on or off: while own links or the map are being mended."""
        self.spread.flows.healing = healing

    def set_interest(self, neighbours: Set[PeerId], candidates: Set[PeerId], routes: Set[PeerId]) -> None:
        """Set whose records go first when the byte budget is short: these three in order, then the newest."""
        self._interest.set(neighbours | {self._me}, candidates, routes)

    def deadline(self) -> Millis | None:
        """Return when `tick` next has work."""
        return soonest(
            self.spread.deadline(),
            self.pulls.deadline(),
            self._origins.deadline(),
            self._own.deadline(),
            self.backlog.deadline(),
            self._sweep_at,
            self.horizon.deadline() if self.horizon is not None else None,
        )

    def tick(self, now: Millis) -> list[MapEffect]:
        """Do what is due: sign, let waiting records through, pull, check in the background, sweep, flush."""
        effects: list[MapEffect] = []
        if self._own.due(now):
            effects += self._sign(now)
        for held in self._origins.due(now):
            try:
                effects += self._accept(held.record, held.raw, held.sender, now)
            except RemoteError as error:
                effects.append(Fault(held.sender, error.penalty, str(error)))
        for peer, name in self.pulls.doubts(now):
            effects += self.spread.ask(peer, [name], Turn.KEEP)
        for peer, names in self.pulls.due(now).items():
            effects += self.spread.ask(peer, names)
        effects += self.backlog.tick(now)
        if self._sweep_at is not None and now >= self._sweep_at:
            effects += self._sweep(now)
        if self.horizon is not None:
            archive, decode = self._archive, self._checks.decode
            effects += self.horizon.tick(self.map, archive, decode, self.spread.peers(), self._rng, now)
        return [*effects, *self.spread.flush(now)]

    def _sweep(self, now: Millis) -> list[MapEffect]:
        self._sweep_at = Millis(now + SWEEP_EVERY)
        self._seen.age()
        self._names.age()
        self._origins.sweep(now)
        expired, events = self.map.expire(now)
        for peer in expired:
            self._archive.delete(peer)
        return self._seen_events(events, now)

    def fingerprint(self, now: Millis) -> bytes:
        """Return the 16 bytes that pings carry: equal for maps that were equal some 20 s ago."""
        return self.map.fingerprint_at(now).to_bytes(16, "big") if self.horizon is None else NO_FINGERPRINT

    def statistics(self) -> GossipStatistics:
        """Return the counters."""
        return GossipStatistics(
            peers=len(self.map),
            applied=self._counts.applied,
            repeated=self._counts.repeated,
            refused=dict(self._counts.refused),
            held=self._origins.sizes()[1],
            waiting=self.spread.waiting(),
            signatures=self._verifier.signatures,
            proofs=self._verifier.proofs,
            deltas=self._deltas.applied,
            baseless=self._deltas.baseless,
            signed=self._counts.signed,
            signed_bytes=self._counts.signed_bytes,
            eager=len(self.spread.flows.eager()),
            expelled=self._counts.expelled,
        )
