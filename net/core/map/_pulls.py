"""Records known by name only: who announced them, and when to ask for them."""

from collections.abc import Iterable
from dataclasses import dataclass

from chain.primitives.peer import PREFIX_BYTES, PeerId
from chain.primitives.units import Millis
from net.core.map._owed import Account, Owed
from net.core.map.peer_map import PeerMap
from net.core.wire.gossip import RecordName, name_prefix, name_seq, newer

PULL_AFTER = Millis(4_000)
"""How long a named record may still come by an eager link: eight flushes. What was asked for too early comes twice:
1.52 times the least bytes of records were received, 1.81 times at 2 s, before records followed the map."""

PULL_AGAIN = Millis(3_000)
"""How long an asked neighbour may take before the next announcer is asked. No finding against it: see `_owed`."""

WANTED_MAX = 8_192
"""Most records waited for; further names are ignored, reconciliation finds the records later."""

WANTED_PER_LINK = 2_048
"""Most of these that one link may have brought up: names cost nothing, so one link must not fill the table."""

ANNOUNCERS_MAX = 3
"""Most announcers remembered for a record, asked in the order of their names' arrival."""


@dataclass(slots=True)
class _Wanted:
    due: Millis
    announcers: dict[PeerId, RecordName]
    """Who is still to be asked, and for what."""
    first: PeerId
    asked: tuple[PeerId, RecordName] | None = None

    def was_asked(self, peer: PeerId) -> bool:
        """Tell whether this neighbour was the last to be asked."""
        return self.asked is not None and self.asked[0] == peer


class Pulls:
    """The table of records waited for. The gossip machine alone changes it."""

    def __init__(self) -> None:
        self._wanted: dict[bytes, _Wanted] = {}
        self._per_link: dict[PeerId, int] = {}
        self._owed = Owed()
        self._doubted: dict[PeerId, RecordName] = {}
        """What neighbours that have shown nothing for long will be asked for at once; one name a link."""
        self._next: Millis | None = None

    def heard(
        self, peer: PeerId, names: Iterable[RecordName], peer_map: PeerMap, now: Millis, *, patience: int = PULL_AFTER
    ) -> None:
        """Note that a neighbour holds records of these names: those newer than what the map holds are wanted, and are
        asked for after `patience` ms unless they come before."""
        for name in names:
            prefix, seq_low = name_prefix(name), name_seq(name)
            seq = peer_map.held_seq(prefix)
            if seq is not None and not newer(seq_low, seq):
                continue
            entry = self._wanted.get(prefix)
            if entry is None:
                if len(self._wanted) >= WANTED_MAX or self._per_link.get(peer, 0) >= WANTED_PER_LINK:
                    continue
                self._per_link[peer] = self._per_link.get(peer, 0) + 1
                due = Millis(now + patience)
                self._wanted[prefix] = _Wanted(due, {peer: name}, peer)
                self._next = due if self._next is None else min(self._next, due)
            elif patience == 0 and entry.asked is None:
                others = [one for one in entry.announcers.items() if one[0] != peer]
                entry.announcers = dict([(peer, name), *others][:ANNOUNCERS_MAX])
                entry.due = self._next = now
            elif peer not in entry.announcers and not entry.was_asked(peer) and len(entry.announcers) < ANNOUNCERS_MAX:
                entry.announcers[peer] = name
            another = prefix != peer[:PREFIX_BYTES]
            if another and peer not in self._doubted and self._owed.doubtful(peer, now):
                self._doubted[peer] = name
                self._next = now

    def arrived(self, origin: PeerId, seq: Millis) -> None:
        """Note that a true record of the origin came, by whichever way: what was named later is waited for still."""
        entry = self._wanted.get(origin[:PREFIX_BYTES])
        if entry is None:
            return
        entry.announcers = {peer: name for peer, name in entry.announcers.items() if newer(name_seq(name), seq)}
        asked = entry.asked is not None and newer(name_seq(entry.asked[1]), seq)
        if not entry.announcers and not asked:
            del self._wanted[origin[:PREFIX_BYTES]]
            self._release(entry)

    def _release(self, entry: _Wanted) -> None:
        left = self._per_link.get(entry.first, 0) - 1
        if left > 0:
            self._per_link[entry.first] = left
        else:
            self._per_link.pop(entry.first, None)

    def link_down(self, peer: PeerId) -> None:
        """Ask a link no more."""
        self._owed.link_down(peer)
        self._doubted.pop(peer, None)
        for entry in self._wanted.values():
            entry.announcers.pop(peer, None)

    def deadline(self) -> Millis | None:
        """Return when `due` next has work."""
        return self._next

    def doubts(self, now: Millis) -> list[tuple[PeerId, RecordName]]:
        """Return what to ask of neighbours that must show that they send what they name; call it before `due`.

        One that names everything at once and sends nothing is else seldom asked: eager links are faster.
        """
        asks: list[tuple[PeerId, RecordName]] = []
        for peer, name in self._doubted.items():
            entry = self._wanted.get(name_prefix(name))
            if entry is None or entry.was_asked(peer):
                continue
            entry.announcers.pop(peer, None)
            if entry.asked is None:
                entry.asked, entry.due = (peer, name), Millis(now + PULL_AGAIN)
            self._owed.asked(peer, [name], now)
            asks.append((peer, name))
        self._doubted.clear()
        return asks

    def due(self, now: Millis) -> dict[PeerId, list[RecordName]]:
        """Return what to ask of whom now; count what was asked long ago and has not come."""
        self._owed.judge(now)
        asks: dict[PeerId, list[RecordName]] = {}
        if self._next is None or now < self._next:
            return asks
        for prefix, entry in list(self._wanted.items()):
            if entry.due > now:
                continue
            if not entry.announcers:
                del self._wanted[prefix]
                self._release(entry)
                continue
            peer = next(iter(entry.announcers))
            name = entry.announcers.pop(peer)
            entry.asked, entry.due = (peer, name), Millis(now + PULL_AGAIN)
            asks.setdefault(peer, []).append(name)
        for peer, names in asks.items():
            self._owed.asked(peer, names, now)
        self._next = min((entry.due for entry in self._wanted.values()), default=None)
        return asks

    def is_answer(self, peer: PeerId, raw: bytes, now: Millis) -> bool:
        """Tell, before `answered`, whether a record is what a neighbour was asked for."""
        return self._owed.is_answer(peer, raw, now)

    def answered(self, peer: PeerId, raws: Iterable[bytes], now: Millis) -> int:
        """Take what a neighbour sends, before `arrived`; return how many records are answers that others overtook."""
        return self._owed.answered(peer, raws, self._wanted, now)

    def conduct(self, peer: PeerId) -> Account:
        """Return how a neighbour has kept to the names it told."""
        return self._owed.conduct(peer)

    def __len__(self) -> int:
        """Return how many records are waited for."""
        return len(self._wanted)
