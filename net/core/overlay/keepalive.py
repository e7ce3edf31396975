"""Pings: signs of life, round trips, clock samples, map fingerprints (DESIGN sections 3.0 and 3.4)."""

from collections.abc import Callable
from random import Random

from chain.primitives.units import Millis
from net.core.config import MeshConfig
from net.core.effects import Priority
from net.core.overlay.link import Link
from net.core.overlay.words import Pinged, Timed, Word
from net.core.wire.control import Ping, Pong, decode_ping, decode_pong, encode_ping, encode_pong
from net.core.wire.frame import FrameKind, ToPeer


class Keepalive:
    """Keeps links that are up. Stateless but for the links it changes."""

    def __init__(
        self,
        config: MeshConfig,
        rng: Random,
        *,
        mesh_time: Callable[[Millis], Millis],
        fingerprint: Callable[[], bytes],
    ) -> None:
        self._config = config
        self._rng = rng
        self._mesh_time = mesh_time
        self._fingerprint = fingerprint

    def ping(self, link: Link, now: Millis) -> list[Word]:
        """Send a ping now, unless one has been under way for less than the interval."""
        assert link.peer is not None, "a link that is up has a peer"
        link.ping_at = Millis(now + self._config.ping - self._rng.randrange(max(1, self._config.ping // 10)))
        if link.ping_sent is None:
            link.ping_sent = now
            link.ping_number = (link.ping_number + 1) & 0xFFFF_FFFF
        body = encode_ping(Ping(link.ping_number, self._fingerprint()))
        return [ToPeer(link.peer, FrameKind.PING, body, Priority.CONTROL)]

    def pinged(self, link: Link, body: bytes, now: Millis) -> list[Word]:
        """Answer a ping. Raises `Malformed`."""
        ping = decode_ping(body)
        assert link.peer is not None, "a link that is up has a peer"
        at = self._mesh_time(now)
        pong = encode_pong(Pong(ping.number, at, at))
        return [ToPeer(link.peer, FrameKind.PONG, pong, Priority.CONTROL), Pinged(link.peer, ping.fingerprint)]

    def ponged(self, link: Link, body: bytes, now: Millis) -> list[Word]:
        """Take the answer to the newest ping; one to another number says only "I live". Raises `Malformed`."""
        pong = decode_pong(body)
        asked = link.ping_sent
        if asked is None or pong.number != link.ping_number:
            return []
        assert link.peer is not None, "a link that is up has a peer"
        link.ping_sent = None
        sample = Millis(now - asked)
        link.rtt = sample if link.rtt is None else Millis(min(sample, link.rtt + max(1, link.rtt // 8)))
        return [Timed(link.peer, link.contact or link.peer, asked, pong.received, pong.sent)]
