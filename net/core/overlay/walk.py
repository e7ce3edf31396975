"""First contact from the joiner's side: which address to call next, and when (DESIGN section 3.4)."""

from dataclasses import dataclass
from random import Random

from chain.primitives.errors import ConfigError
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.overlay.anchors import Anchors

BACKOFF_FIRST = Millis(1_000)
BACKOFF_LONGEST = Millis(60_000)
"""Pause after all addresses were tried in vain; doubles up to this."""

BACKOFF_ANSWERED = Millis(8_000)
"""Longest pause as long as some rendezvous answers, be it with a refusal: the network is there, and a thousand joiners
that wait at one rendezvous still call it but 80 times a second."""

CALL_PAUSE = Millis(250)
"""Between two calls of one walk."""


@dataclass(frozen=True, slots=True)
class Place:
    """An address to call."""

    url: str
    """Without the pinned id."""
    pinned: PeerId | None
    """Who must sign the reply."""


def parse_bootstrap(text: str) -> Place:
    """Return the place of a configured bootstrap, `ws://<id>@host:port` or `ws://host:port`. Raises `ConfigError`."""
    scheme, separator, rest = text.partition("://")
    if separator != "://" or scheme not in ("ws", "wss") or not rest:
        raise ConfigError(f"bootstrap {text!r} is not ws://host:port or ws://<id>@host:port")
    name, at, place = rest.rpartition("@")
    if not at:
        return Place(text, None)
    try:
        pinned = bytes.fromhex(name)
    except ValueError:
        pinned = b""
    if len(pinned) != 32:
        raise ConfigError(f"bootstrap {text!r}: the id before @ is not 64 hex digits")
    return Place(f"{scheme}://{place}", PeerId(pinned))


class Walk:
    """The list of addresses and the place in it. Mutable: changed by its own methods alone."""

    def __init__(self, bootstraps: tuple[str, ...], own_url: str | None, anchors: Anchors, rng: Random) -> None:
        self._bootstraps = tuple(parse_bootstrap(text) for text in bootstraps)
        self._own_url = own_url
        self._anchors = anchors
        self._rng = rng
        self._left: list[Place] = []
        self._next_at = Millis(0)
        self._pause = BACKOFF_FIRST

    def next_place(self, now: Millis) -> Place | None:
        """Return the next address to call, None if there is none or it is too early."""
        if now < self._next_at:
            return None
        if not self._left:
            pins = {place.url: place for place in self._bootstraps}
            urls = self._anchors.walk(tuple(pins), self._rng)
            self._left = [
                Place(url, pins[url].pinned if url in pins else self._anchors.peer_at(url))
                for url in urls
                if url != self._own_url
            ]
            if not self._left:
                return None
        place = self._left.pop(0)
        self._next_at = Millis(now + CALL_PAUSE)
        if not self._left:
            self._next_at = Millis(now + self._pause + self._rng.randrange(int(self._pause)))
            self._pause = Millis(min(2 * self._pause, BACKOFF_LONGEST))
        return place

    def answered(self, now: Millis) -> None:
        """Note that a rendezvous answered, though no link came of it."""
        self._pause = min(self._pause, BACKOFF_ANSWERED)
        self._next_at = Millis(min(self._next_at, now + self._pause + self._rng.randrange(int(self._pause))))

    def reached(self) -> None:
        """Note that a first contact succeeded: the next walk begins without a pause."""
        self._left = []
        self._pause = BACKOFF_FIRST

    def deadline(self) -> Millis:
        """Return from when on `next_place` may answer."""
        return self._next_at
