"""One node under test with its gossip machine, and what its effects hold."""

from chain.primitives.errors import Penalty
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.map.effects import MapEffect
from net.core.wire.fault import Fault
from net.core.wire.frame import FrameKind, ToPeer
from net.core.wire.gossip import (
    decode_records,
    encode_records,
)
from net.core.wire.record import Flags, Record, decode_record, encode_record
from tests.helpers.map_world import START, Node, identity, remembering_checks

A, B, C = (identity(number).peer for number in (101, 102, 103))
"""Neighbours of the node under test."""


def node(*neighbours: PeerId) -> Node:
    one = Node(identity(0), remembering_checks())
    one.gossip.start(START)
    for neighbour in neighbours:
        one.gossip.link_up(neighbour, START)
    one.gossip.tick(START)  # it has looked for its place in the tree
    return one


def give(one: Node, sender: PeerId, *records: Record, now: int = START) -> list[MapEffect]:
    body = encode_records([encode_record(each) for each in records])
    return one.gossip.receive(sender, FrameKind.RECORDS, body, Millis(now))


def frames(effects: list[MapEffect], kind: FrameKind) -> list[ToPeer]:
    return [effect for effect in effects if isinstance(effect, ToPeer) and effect.kind is kind]


def faults(effects: list[MapEffect]) -> list[Penalty]:
    return [effect.penalty for effect in effects if isinstance(effect, Fault)]


def sent(effects: list[MapEffect]) -> list[tuple[PeerId, Record]]:
    return [
        (frame.peer, decode_record(raw))
        for frame in frames(effects, FrameKind.RECORDS)
        for raw in decode_records(frame.body)
    ]


def signing_node(*neighbours: PeerId) -> Node:
    one = node(*neighbours)
    one.gossip.own_facts_changed(Flags.PUBLIC, 3, (0, 0, 0), START)
    one.gossip.allow_signing(START)
    return one
