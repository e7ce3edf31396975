"""A flood of forged records against gossip and guard (docs/figures.md, DESIGN section 3.8).

`python -m bench.forged_records [--seconds S]` plays, in virtual time, a neighbour that sends 10,000 records a second of
the right length, with known ids and wrong signatures, in batches of 40, and honest neighbours that send four records a
second. It says when the forger's link is closed, how late honest records are taken, and the CPU spent, for forgeries
that look newer than what is held and for such as nobody needs: copies, older ones, those of another time. The last
table is the worst a forger can do that has a fresh proven id for every link: one new link a second for every id.
"""

import argparse
import time
from dataclasses import dataclass, replace
from random import Random

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.guard.guard import Admission, Guard
from net.core.map.effects import MapEffect
from net.core.wire.fault import Fault, Spent
from net.core.wire.frame import FrameKind
from net.core.wire.gossip import encode_records
from net.core.wire.record import encode_record
from tests.helpers.map_world import START, Node, identity, record, remembering_checks

BATCH = 40
RATE = 10_000
KNOWN = 100
BORN = Millis(START - 13 * 3_600_000)
"""When the known ids were born: before the life of a record began."""

LATER = {
    "newer": (50_000, 59_000),
    "copy": (0, 1),
    "older": (-60_000, -50_000),
    "future": (10**6, 10**6 + 9_000),
    "expired": (BORN - START, BORN - START + 9_000),
}
"""Forgeries by how many ms later than the record held they pretend to be signed, from and up to."""


@dataclass
class Outcome:
    """What a flood did."""

    closed_after: int
    """Milliseconds from the first forged record to the order to close the link; -1 if never."""
    worst_delay: float
    """Longest time an honest record waited for the CPU that forged ones took before it, in ms."""
    cpu: float
    """Seconds of CPU spent on the forger's frames."""
    forged: int
    """Forged records sent."""
    checked: int
    """Signatures of theirs that were checked."""
    taken: int
    """Honest records taken."""


def settle(guard: Guard, effects: list[MapEffect], now: Millis) -> bool:
    """Hand faults and costs to the guard; tell whether somebody was banned."""
    bans = [
        guard.fault(effect, now) if isinstance(effect, Fault) else guard.spent(effect, now)
        for effect in effects
        if isinstance(effect, Fault | Spent)
    ]
    return any(ban is not None for ban in bans)


def flood(seconds: int, ids: int, kind: str = "newer") -> Outcome:
    """Run a flood of `seconds` from one forger (`ids` 0), or from `ids` fresh ones a second, each after the other, of
    forgeries of this kind of `LATER`."""
    node, guard, rng = Node(identity(0), remembering_checks()), Guard(), Random(1)
    node.gossip.start(START)
    known = [record(identity(number), born=BORN) for number in range(1, KNOWN + 1)]
    for one in known:
        node.map.apply(one, START)
        node.archive.put(one.peer, encode_record(one))
    honest = PeerId(b"\x01" * 32)
    forged_raws = [
        [
            encode_record(replace(one, seq=Millis(START + rng.randrange(*LATER[kind])), signature=rng.randbytes(64)))
            for one in rng.choices(known, k=BATCH)
        ]
        for _ in range(64)
    ]
    bodies = [encode_records(raws) for raws in forged_raws]
    outcome = Outcome(-1, 0.0, 0.0, 0, 0, 0)
    behind, honest_count = 0.0, 0
    for step in range(seconds * RATE // BATCH):
        now = Millis(START + step * 1000 * BATCH // RATE)
        forger = PeerId((step * ids * BATCH // RATE + 2).to_bytes(32, "big"))
        checked = node.gossip.statistics().signatures
        begun = time.process_time()
        if guard.admit(forger, FrameKind.RECORDS, len(bodies[0]), now) is Admission.PASS:
            effects = node.gossip.receive(forger, FrameKind.RECORDS, bodies[step % len(bodies)], now)
            if settle(guard, effects, now) and outcome.closed_after < 0:
                outcome.closed_after = now - START
        spent = time.process_time() - begun
        outcome.cpu += spent
        outcome.forged += BATCH
        outcome.checked += node.gossip.statistics().signatures - checked
        behind = max(0.0, behind - BATCH / RATE) + spent
        if step % (RATE // BATCH // 4) == 0 and honest_count < KNOWN:
            honest_count += 1
            body = encode_records([encode_record(record(identity(honest_count), seq=now + 1, born=BORN))])
            outcome.worst_delay = max(outcome.worst_delay, behind * 1000)
            settle(guard, node.gossip.receive(honest, FrameKind.RECORDS, body, now), now)
            outcome.taken += node.map.seq(identity(honest_count).peer) == now + 1
    return outcome


def main() -> None:
    """Run and print both floods."""
    parser = argparse.ArgumentParser(description="A flood of forged records against gossip and guard.")
    parser.add_argument("--seconds", type=int, default=10)
    seconds = parser.parse_args().seconds
    for ids, kind in [*((0, kind) for kind in LATER), (10, "newer")]:
        outcome = flood(seconds, ids, kind)
        whose = f"one forger, {kind}" if ids == 0 else f"{ids} fresh proven ids a second, {kind}"
        print(f"{whose}: {outcome.forged:,} forged records in {seconds} s")
        print(f"  link closed after          {outcome.closed_after:8d} ms")
        print(f"  signatures checked         {outcome.checked:8d}")
        print(f"  honest records taken       {outcome.taken:8d}, the latest {outcome.worst_delay:.1f} ms late")
        print(f"  CPU                        {outcome.cpu * 1000 / seconds:8.2f} ms per second of flood")


if __name__ == "__main__":
    main()
