"""Inputs for the fuzzer to begin with: what a small simulated network really sends. Canonical bytes are hard to guess.

`python -m tests.fuzz.seeds DIRECTORY` writes there, for each decoder of `tests.fuzz.atheris_decoders` and each length
that it takes, one input.
"""

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from chain.primitives.errors import Malformed
from chain.primitives.units import Millis
from net.core.app.topics import TopicSpec
from net.core.effects import CallId, LinkKind, Priority
from net.core.wire.frame import FrameKind
from net.core.wire.gossip import decode_records
from net.core.wire.signal import Answer, Offer, Refusal, Refused, Signal, TimeAsk, TimeReply, encode_signal
from net.sim.node import SimNode
from net.sim.scenarios.growth import settings
from net.sim.world import End, World
from tests.fuzz.atheris_decoders import Decoder, chosen, decoders


class Listening(World):
    """A world that keeps one of all frames of each length, and what is asked of and answered by rendezvous."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.heard: dict[tuple[int, int], bytes] = {}

    def send(self, near: End, far: End, frame: bytes) -> None:
        """Keep a frame on its way."""
        self.heard.setdefault((frame[0], len(frame)), frame)
        super().send(near, far, frame)

    def call(self, caller: SimNode, call: CallId, url: str, request: bytes) -> None:
        """Keep a request on its way."""
        self.heard.setdefault((-1, len(request)), b"\0" + request)
        super().call(caller, call, url, request)

    def reply(self, call: CallId, reply: bytes) -> None:
        """Keep a reply on its way."""
        self.heard.setdefault((-2, len(reply)), b"\0" + reply)
        super().reply(call, reply)


def true_inputs() -> list[bytes]:
    """Return frames, their bodies and the records in them as a small network sends them, of each length one."""
    world, topic = Listening(1), TopicSpec(1, "seeds", 100_000, Priority.BLOCK)
    for _ in range(6):
        bootstraps = (world.nodes[0].url,) if world.nodes else ()
        SimNode(world, replace(settings(), bootstraps=bootstraps), [topic]).start()
        world.run_for(2_000)
    for size in (0, 100, 40_000):
        world.nodes[1].publish(topic.number, bytes(size))
        world.nodes[2].request(world.nodes[3].peer, topic.number, bytes(size))
        world.run_for(5_000)
    world.nodes[3].answer = lambda _: None
    world.nodes[2].request(world.nodes[3].peer, topic.number, b"refused")
    world.run_for(1_000)
    world.nodes[5].stop()
    world.run_for(1_000)
    found = [data for frame in world.heard.values() for data in (frame, frame[1:])]
    for frame in world.heard.values():
        if frame[0] == FrameKind.RECORDS:
            found += decode_records(frame[1:])
    attempt, moment = bytes(range(16)), Millis(1)
    signals: list[Signal] = [
        *(Offer(attempt, kind, None, b"v=0") for kind in LinkKind),
        Offer(attempt, LinkKind.GUEST, world.nodes[0].peer, bytes(1_500)),
        Answer(attempt, b"v=0"),
        *(Refused(attempt, reason) for reason in Refusal),
        TimeAsk(attempt),
        TimeReply(attempt, moment, moment),
    ]
    return found + [encode_signal(signal, salt=bytes(4)) for signal in signals]


def seeds(targets: Sequence[Decoder]) -> dict[str, bytes]:
    """Return inputs of `try_one` that their decoders take, by the names of files to write."""
    taken: dict[str, bytes] = {}
    for data in true_inputs():
        for at, decode in enumerate(targets):
            with suppress(Malformed):
                decode(data)
                taken.setdefault(
                    f"{decode.__module__.rsplit('.', 1)[1]}.{decode.__name__}-{len(data)}", bytes((at,)) + data
                )
    return taken


def main(directory: Path) -> None:
    """Write the seeds."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, data in seeds(chosen((), decoders())).items():
        (directory / name).write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
