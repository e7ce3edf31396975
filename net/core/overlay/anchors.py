"""Rendezvous URLs remembered across restarts (DESIGN section 3.4): what neighbours told inside the encrypted link."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from random import Random

from chain.primitives.canonical import pack, unpack
from chain.primitives.errors import Malformed
from chain.primitives.peer import PEER_ID_BYTES, PeerId
from chain.primitives.units import Millis
from net.core.wire.control import URL_MAX, valid_url
from net.core.wire.fields import MOMENT_MAX, array_field, bytes_field, int_field, text_field

ANCHORS_BLOB = "anchors"
"""Name of the blob that holds them."""

FIRST = 3
"""Anchors tried before all other addresses, chosen by chance."""

PER_HOST = 2
"""Anchors with the same host name or address: a neighbour's many ports are one place."""

PER_PEER = 2
"""Anchors that one peer told: it has one rendezvous, or two while it moves. The one it told longest ago goes."""

OWNED_FOR = Millis(7 * 24 * 3_600_000)
"""How long after its owner was last met a URL stays its owner's, whoever else tells it: else a neighbour could put its
id in place of all others', at whose addresses nobody then answers as expected."""

_VERSION = 1
_ENTRY_BYTES = URL_MAX + PEER_ID_BYTES + 32


@dataclass(frozen=True, slots=True)
class Anchor:
    """One remembered rendezvous."""

    url: str
    peer: PeerId
    """Who told it, and must answer there."""
    first_seen: Millis
    last_seen: Millis
    """When its owner was last a neighbour; a long span of the two is a long-lived node."""


class Anchors:
    """At most `limit` URLs; the shortest-lived goes first. Mutable: changed by its own methods alone."""

    def __init__(self, limit: int, stored: bytes) -> None:
        """`stored` is what `snapshot` returned, or empty. Raises `Malformed` on anything else."""
        self._limit = limit
        self._by_url = {anchor.url: anchor for anchor in decode_anchors(stored, limit)} if stored else {}
        self._changed = False
        self._chosen: set[PeerId] = set()

    def chosen(self, peer: PeerId) -> bool:
        """Tell whether the peer is one of the FIRST anchors of the last walk: its link is never reseeded."""
        return peer in self._chosen

    def met(self, peers: Collection[PeerId], now: Millis) -> None:
        """Note that the links of these neighbours stand, or stood until now: they tell their URLs once, and who comes
        and goes would else seem to live longer."""
        for url, anchor in self._by_url.items():
            if anchor.peer in peers and now > anchor.last_seen:
                self._changed |= now - anchor.last_seen > 3_600_000
                self._by_url[url] = replace(anchor, last_seen=now)

    def learn(self, peer: PeerId, urls: Collection[str], now: Millis) -> None:
        """Take the URLs of a neighbour, the last PER_PEER; those of one host beyond PER_HOST are left out."""
        for url in urls:
            known = self._by_url.get(url)
            if known is not None and known.peer == peer:
                self._changed |= now - known.last_seen > 3_600_000
                self._by_url[url] = replace(known, last_seen=now)
                continue
            if known is not None and now - known.last_seen <= OWNED_FOR:
                continue
            hosts = [other for other in self._by_url if _host(other) == _host(url)]
            if known is None and len(hosts) >= PER_HOST and not _loopback(url):
                continue
            told = [other for other in self._by_url.values() if other.peer == peer]
            if len(told) >= PER_PEER:
                del self._by_url[min(told, key=lambda anchor: (anchor.last_seen, anchor.url)).url]
            self._by_url[url] = Anchor(url, peer, now, now)
            self._changed = True
        while len(self._by_url) > self._limit:
            shortest = min(self._by_url.values(), key=lambda anchor: (anchor.last_seen - anchor.first_seen, anchor.url))
            del self._by_url[shortest.url]

    def peer_at(self, url: str) -> PeerId | None:
        """Return who answers at a remembered URL."""
        anchor = self._by_url.get(url)
        return None if anchor is None else anchor.peer

    def url_of(self, peer: PeerId) -> str | None:
        """Return a rendezvous that the peer told, None if it told none."""
        return next((anchor.url for anchor in self._by_url.values() if anchor.peer == peer), None)

    def walk(self, bootstraps: Collection[str], rng: Random) -> list[str]:
        """Return the addresses in the order to try: FIRST anchors by chance, the others oldest first, bootstraps."""
        urls = sorted(self._by_url)
        chosen = rng.sample(urls, min(FIRST, len(urls)))
        ranked = sorted(
            (anchor for anchor in self._by_url.values() if anchor.url not in chosen),
            key=lambda anchor: (anchor.first_seen - anchor.last_seen, anchor.url),
        )
        self._chosen = {self._by_url[url].peer for url in chosen}
        first = [*chosen, *(anchor.url for anchor in ranked)]
        return first + [url for url in bootstraps if url not in first]

    def take_changed(self) -> bool:
        """Tell whether a snapshot is worth writing since the last call."""
        changed, self._changed = self._changed, False
        return changed

    def snapshot(self) -> bytes:
        """Return the bytes to keep."""
        return pack(
            [
                _VERSION,
                [[anchor.url, anchor.peer, anchor.first_seen, anchor.last_seen] for anchor in self._by_url.values()],
            ]
        )


def decode_anchors(raw: bytes, limit: int) -> list[Anchor]:
    """Return the anchors of a snapshot, at most `limit`. Raises `Malformed`."""
    fields = array_field(unpack(raw, max_bytes=1024 * _ENTRY_BYTES, max_items=1024), 2, "anchors")
    int_field(fields[0], _VERSION, _VERSION, "version")
    if not isinstance(fields[1], list):
        raise Malformed("anchors are no array")
    anchors = []
    for item in fields[1][:limit]:
        entry = array_field(item, 4, "anchor")
        url = text_field(entry[0], URL_MAX, "url")
        if not valid_url(url):
            raise Malformed("not a rendezvous url")
        first = int_field(entry[2], 0, MOMENT_MAX, "first seen")
        anchors.append(
            Anchor(
                url=url,
                peer=PeerId(bytes_field(entry[1], PEER_ID_BYTES, PEER_ID_BYTES, "peer id")),
                first_seen=Millis(first),
                last_seen=Millis(int_field(entry[3], first, MOMENT_MAX, "last seen")),
            )
        )
    return anchors


def _host(url: str) -> str:
    rest = url.partition("://")[2].partition("/")[0]
    return rest.rpartition(":")[0] or rest


def _loopback(url: str) -> bool:
    """Tell whether the URL points at this machine: devnets have all their nodes there."""
    return _host(url) in ("127.0.0.1", "localhost", "[::1]")
