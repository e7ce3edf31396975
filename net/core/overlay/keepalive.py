"""Pings: signs of life, round trips, clock samples, map fingerprints (DESIGN sections 3.0 and 3.4).

One question and one answer every `config.ping` keep a link: its ends ask in turns. Whoever was asked asks next, after
the interval; whoever asked waits BEAT_GRACE longer, so that it asks again only when the other end does not. Both ends
take a round trip and a clock sample every other interval. A peer that asks all the time cannot keep this node from
asking: its questions put the own ones off to two intervals after the last at most.

Where other frames come all the time, as the records of thousands of peers do, they are the signs of life: an end then
waits up to LIVELY more before it asks, and asks as ever once nothing else has come for one interval and a half.
"""

from collections.abc import Callable
from random import Random

from chain.primitives.units import Millis
from net.core.config import MeshConfig
from net.core.effects import Priority
from net.core.overlay.link import Link
from net.core.overlay.words import Pinged, Timed, Word
from net.core.wire.control import Ping, Pong, decode_ping, decode_pong, encode_ping, encode_pong
from net.core.wire.frame import FrameKind, ToPeer

BEAT_GRACE = Millis(1_500)
"""How much longer than the interval the end that asked last waits: pings leave on a node's beats, up to 1 s late, and
travel for a while."""

LIVELY = Millis(10_000)
"""How much longer an end waits while other frames show that the neighbour lives. At 2,500 peers pings were a third of
all frames."""


class Keepalive:
    """Keeps links that are up. Stateless but for the links it changes."""

    def __init__(
        self,
        config: MeshConfig,
        rng: Random,
        *,
        mesh_time: Callable[[Millis], Millis],
        fingerprint: Callable[[Millis], bytes],
    ) -> None:
        self._config = config
        self._rng = rng
        self._mesh_time = mesh_time
        self._fingerprint = fingerprint

    def due(self, link: Link, now: Millis) -> bool:
        """Tell whether to ask now: other frames put a question off, one without an answer excepted."""
        if now < link.ping_at:
            return False
        return not self._busy(link, now) or link.ping_sent is not None or now - link.ping_at >= LIVELY

    def _busy(self, link: Link, now: Millis) -> bool:
        return now - link.busy < self._config.ping * 3 // 2

    def ping(self, link: Link, now: Millis) -> list[Word]:
        """Send a ping now; while one has no answer yet, repeat it under the same number."""
        assert link.peer is not None, "a link that is up has a peer"
        link.asked_at = now
        if link.ping_sent is None:
            link.ping_sent = now
            link.ping_number = (link.ping_number + 1) & 0xFFFF_FFFF
            link.ping_at = Millis(now + self._config.ping + BEAT_GRACE)
        else:
            link.ping_at = self._next(now)
        body = encode_ping(Ping(link.ping_number, self._fingerprint(self._mesh_time(now))))
        return [ToPeer(link.peer, FrameKind.PING, body, Priority.CONTROL)]

    def _next(self, now: Millis) -> Millis:
        return Millis(now + self._config.ping - self._rng.randrange(max(1, self._config.ping // 10)))

    def pinged(self, link: Link, body: bytes, now: Millis) -> list[Word]:
        """Answer a ping, and ask when the next one is due: it is this end's turn. Raises `Malformed`.

        Where two pings crossed, the turn is the inbound end's, and the other keeps its longer wait.
        """
        ping = decode_ping(body)
        assert link.peer is not None, "a link that is up has a peer"
        if link.ping_sent is None or not link.outbound:
            longest = 2 * self._config.ping + (LIVELY if self._busy(link, now) else 0)
            link.ping_at = Millis(min(self._next(now), link.asked_at + longest))
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
