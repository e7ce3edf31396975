"""Pools of linked exchanges: nodes whose pools hold transactions, joiners, and who asks whom for what."""

from collections.abc import Callable

from chain.exchange.messages import (
    PickRequest,
    Response,
    WaitingRequest,
    decode_response,
    encode_response,
)
from chain.primitives.peer import PeerId
from chain.primitives.units import GWEI, Hash32, Millis
from chain.transaction import SignedTransaction
from tests.helpers.exchange_chain import GENESIS
from tests.helpers.exchange_world import Node, World
from tests.helpers.transactions import key_of, sign

TO = GENESIS.header.miner
LONG_AGO = Millis(600_000)


def payments(count: int, first_key: int = 1) -> list[SignedTransaction]:
    """Return payments of as many senders, the first the best."""
    return [sign(key_of(first_key + at), to=TO, tip=GWEI // 2 + count - at) for at in range(count)]


def fill(node: Node, some: list[SignedTransaction]) -> None:
    """Let transactions wait at a node for long."""
    for signed in some:
        node.pool.add(signed, Millis(node.world.now - LONG_AGO), local=False)


def hashes(node: Node) -> set[Hash32]:
    """Return what waits at a node."""
    return set(node.pool.hashes())


def asks(world: World, kind: type[WaitingRequest | PickRequest]) -> list[tuple[int, PeerId]]:
    """Return who asked whom for a list, or for transactions."""
    return [(who, whom) for _, who, whom, request in world.asked if isinstance(request, kind)]


def lists_by(world: World, node: Node) -> list[PeerId]:
    """Return of whom a node has asked what waits there."""
    return [whom for who, whom in asks(world, WaitingRequest) if who == node.number]


def picks_by(world: World, node: Node) -> list[PeerId]:
    """Return of whom a node has asked for transactions."""
    return [whom for who, whom in asks(world, PickRequest) if who == node.number]


def rewriting(change: Callable[[Response], Response]) -> Callable[[bytes], bytes]:
    """Return what a liar makes of its answers."""
    return lambda payload: encode_response(change(decode_response(payload)))


def joined(seed: int, some: list[SignedTransaction], hosts: int = 1) -> tuple[World, list[Node], Node]:
    """Return nodes with the same pool, and a joiner that is linked to nobody."""
    world = World(seed)
    nodes = [world.node() for _ in range(hosts)]
    for node in nodes:
        fill(node, some)
    return world, nodes, world.node()
