"""What neighbours were asked for and owe: who keeps back the records it names, and who is only slow (DESIGN 3.3).

The next announcer of a record is asked within seconds, whoever is slow; to wait longer before a silence is held
against a neighbour costs nothing. An answer within PATIENCE is an answer, also when another was faster.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field

from chain.primitives.peer import PREFIX_BYTES, PeerId
from chain.primitives.units import Millis
from net.core.map.peer_map import RECORD_LIFETIME
from net.core.wire.gossip import RecordName, name_prefix, name_seq, newer
from net.core.wire.record import origin_of, seq_of

PATIENCE = Millis(30_000)
"""How long the first asked record may take; as long as a published message (`relay.conduct`). A busy Raspberry Pi holds
frames for seconds."""

PER_RECORD = Millis(40)
"""And how much longer each further one: a neighbour that shares its 100 kB/s of records among twelve links sends one of
300 bytes in this time."""

PROVEN_FOR = Millis(3_600_000)
"""How long an answered question shows that a neighbour sends what it names."""

DOUBT_EVERY = Millis(30_000)
"""How often one that has not shown it is asked on purpose: two silences a minute are what a judgement needs
(`overlay.annoyance`). An honest one answers, and is left in peace for PROVEN_FOR."""

OWED_MAX = 2_048
"""Records remembered of one neighbour; the oldest is forgotten and then counts as nothing."""


@dataclass(frozen=True, slots=True)
class Account:
    """What one neighbour has done with the records it named and was asked for; grows only."""

    late: int = 0
    """Sent after another had."""
    handed: int = 0
    """Sent, the late ones too."""
    kept_back: int = 0
    """Not sent within the patience."""


@dataclass(slots=True)
class _Neighbour:
    asked: OrderedDict[bytes, tuple[Millis, int]] = field(default_factory=OrderedDict)
    """When the patience with a record ends, and the name's `seq_low`, by its origin's prefix."""
    asked_at: Millis = Millis(0)
    """When it was last asked; before that, when it first named a record."""
    proven_at: Millis | None = None
    """When it last sent another's record that it had been asked for."""
    late: int = 0
    handed: int = 0
    kept_back: int = 0


class Owed:
    """One account a neighbour, from the first question to the end of its link. Mutable: changed by `Pulls` alone."""

    def __init__(self) -> None:
        self._neighbours: dict[PeerId, _Neighbour] = {}

    def asked(self, peer: PeerId, names: Iterable[RecordName], now: Millis) -> None:
        """Note what a neighbour that had named these records was asked for; a question repeated starts no new wait."""
        one = self._neighbours.setdefault(peer, _Neighbour())
        one.asked_at = now
        for name in names:
            until = Millis(now + PATIENCE + PER_RECORD * len(one.asked))
            one.asked.setdefault(name_prefix(name), (until, name_seq(name)))
            if len(one.asked) > OWED_MAX:
                one.asked.popitem(last=False)

    def doubtful(self, peer: PeerId, now: Millis) -> bool:
        """Tell whether a neighbour that names records is to be asked for one, only to see whether it sends any."""
        one = self._neighbours.setdefault(peer, _Neighbour(asked_at=now))
        return now - one.asked_at >= DOUBT_EVERY and (one.proven_at is None or now - one.proven_at >= PROVEN_FOR)

    def is_answer(self, peer: PeerId, raw: bytes, now: Millis) -> bool:
        """Tell whether a neighbour owes this record: an older one than the asked one is no answer, nor is one of weeks
        ago, whose low half of `seq` looks newer."""
        one, prefix = self._neighbours.get(peer), origin_of(raw)[:PREFIX_BYTES]
        if one is None or prefix not in one.asked:
            return False
        seq = seq_of(raw)
        return seq > now - 2 * RECORD_LIFETIME and not newer(one.asked[prefix][1], seq)

    def answered(self, peer: PeerId, raws: Iterable[bytes], waited: Iterable[bytes], now: Millis) -> int:
        """Take records that a neighbour sent; return how many of them it owed though another had been faster.

        `waited` holds the prefixes of the records that have not come by any way. The neighbour's own record ends the
        wait for it and shows nothing, for nobody keeps back what it has signed. The caller checks the signatures of
        what `is_answer`, told before this.
        """
        one = self._neighbours.get(peer)
        if one is None or not one.asked:
            return 0
        came = {origin_of(raw)[:PREFIX_BYTES] for raw in raws if self.is_answer(peer, raw, now)}
        for prefix in came:
            del one.asked[prefix]
        others = came - {peer[:PREFIX_BYTES]}
        if others:
            one.proven_at = now
        late = len(came.difference(waited))
        one.late += late
        one.handed += len(others)
        return late

    def link_down(self, peer: PeerId) -> None:
        """Forget a neighbour that is gone: it owes nothing any more."""
        self._neighbours.pop(peer, None)

    def judge(self, now: Millis) -> None:
        """Count what has not come within the patience."""
        for one in self._neighbours.values():
            while one.asked and next(iter(one.asked.values()))[0] <= now:
                one.asked.popitem(last=False)
                one.kept_back += 1

    def conduct(self, peer: PeerId) -> Account:
        """Return how a neighbour has kept to the names it told."""
        one = self._neighbours.get(peer)
        return Account() if one is None else Account(one.late, one.handed, one.kept_back)
