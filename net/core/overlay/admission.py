"""Inbound links: whom to take, and whom to send away so that full never means closed (DESIGN section 3.3)."""

from collections.abc import Callable, Sequence
from random import Random

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.config import MeshConfig
from net.core.effects import LinkKind
from net.core.overlay.domains import prefix_of
from net.core.overlay.link import Link, LinkTable
from net.core.wire.signal import Refusal

EVICT_EVERY = Millis(60_000)
"""A full node makes room for one in this time."""

PROTECTED = 4
"""Inbound links protected by each of Bitcoin Core's criteria: diverse, fast, useful."""

SETTLED = Millis(60_000)
"""A link younger than this is not evicted: it has had no time to show its use."""


class Admission:
    """Decides on inbound links. Mutable: remembers when it last evicted."""

    def __init__(self, config: MeshConfig, links: LinkTable, rng: Random) -> None:
        self._config = config
        self._links = links
        self._rng = rng
        self._evicted_at = Millis(-EVICT_EVERY)

    def refusal(
        self,
        peer: PeerId,
        kind: LinkKind,
        now: Millis,
        *,
        unwanted: Callable[[PeerId], bool],
        hard: bool,
        cap: int,
    ) -> Refusal | None:
        """Return why a link from `peer` is refused, None if it is taken. `hard` tells that the asker cannot be dialled,
        `cap` how many links may be listed with it.

        A link to a linked id is refused unless the older has missed a ping.
        """
        if unwanted(peer):
            return Refusal.UNWANTED
        up = self._links.up(peer)
        if up is not None and not up.missed_ping(now):
            return Refusal.LINKED
        setups = self._links.setups()
        asked = [link for link in setups if not link.outbound]
        if len(setups) >= self._config.setups or len(asked) >= self._config.setups_inbound:
            return Refusal.BUSY
        match kind:
            case LinkKind.GUEST:
                if sum(link.kind is kind for link in asked) >= self._config.setups_guests:
                    return Refusal.BUSY
                guests = [link for link in self._links.of_kind(kind) if not link.outbound]
                return Refusal.FULL if len(guests) >= self._config.guests else None
            case LinkKind.UNLISTED:
                strange = [link for link in self._links.of_kind(kind) if not link.outbound]
                return Refusal.FULL if len(strange) >= self._config.unlisted_accepted else None
            case LinkKind.LISTED:
                if sum(link.kind is kind for link in asked) >= self._config.inbound_pending:
                    return Refusal.BUSY
                return None if self.room(hard=hard, cap=cap) else Refusal.FULL

    def room(self, *, hard: bool, cap: int) -> bool:
        """Tell whether one more inbound link fits: own core links keep their places under the cap, hard peers a quarter
        of the others'. Guest links that this node asked to list count as listed."""
        if len(self._links.bound()) >= cap:
            return False
        inbound = sum(not link.outbound for link in self._links.of_kind(LinkKind.LISTED))
        slots = cap - self._config.own_core
        return inbound < (slots if hard else slots - slots // 4)

    def evict(self, now: Millis) -> Link | None:
        """Return the inbound link to end so that another may come, None if it is too early or all are protected.

        Bitcoin Core's rule: protect the fast, the useful, the old half; of the address prefix that holds most of the
        rest, the youngest goes. The diverse are protected by that last step.
        """
        if now - self._evicted_at < EVICT_EVERY:
            return None
        links = [link for link in self._links.listed() if not link.outbound and now - link.since >= SETTLED]
        links = self._beyond(links, lambda link: link.rtt if link.rtt is not None else 1 << 30)
        links = self._beyond(links, lambda link: -link.useful)
        links.sort(key=lambda link: (link.since, link.number))
        links = links[len(links) // 2 :]
        if not links:
            return None
        self._evicted_at = now
        groups: dict[str, list[Link]] = {}
        for link in links:
            assert link.transport is not None, "a link that is up was opened"
            groups.setdefault(prefix_of(link.transport.address), []).append(link)
        largest = max(groups.values(), key=lambda group: (len(group), group[-1].since, group[-1].number))
        return largest[-1]

    @staticmethod
    def _beyond(links: Sequence[Link], rank: Callable[[Link], int]) -> list[Link]:
        return sorted(links, key=lambda link: (rank(link), link.number))[PROTECTED:]
