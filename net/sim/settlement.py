"""A network as it is after hours, made at once: ids of all ages, and each own link where its slot's hash wants it.

Growth peer by peer costs hours where peers are many, and leaves ids under an hour old that hold twice the links they
will keep. Here the production slots choose among all ids, in the order in which peers of a living network would have;
only the offers and answers, which a mesh without links has no way for, are carried by hand.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import TypeVar

import numpy as np

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import ApplyAnswer, CreateAnswer, CreateOffer, LinkKind
from net.core.overlay.slots import Slots
from net.core.overlay.words import Speak, Word
from net.core.wire.signal import Answer, Offer
from net.sim.arrays.rules import ROUND_MS, Rules
from net.sim.node import SimNode
from net.sim.progress import Steps, unheard

Kind = TypeVar("Kind")

LOOKS = 2
"""How often every slot looks again whether its hash prefers somebody who had no room before."""

TRIED = 64
"""Best hashes that a slot goes through for one that shares few neighbours with its node."""

LINKED_AFTER = 5_000
"""Virtual ms after which links are up and what changed by them has settled: the record signed then is the only one."""

LINKED_PARTS = 20
"""Parts of that time after each of which progress is told."""


class Settlement:
    """Who holds which own links. Mutable: changed by its own methods alone."""

    def __init__(self, nodes: Sequence[SimNode], ages: Sequence[Millis], rng: Random) -> None:
        """`ages` are those of the ids, in ms; every node has the settings of the first."""
        self._nodes = nodes
        self._ages = ages
        self._rng = rng
        self._rules = Rules.of(nodes[0].config, ROUND_MS)
        self._slots: list[Slots] = [node.mesh.parts.overlay.slots for node in nodes]
        self._peers = [node.peer for node in nodes]
        self._index = {node.peer: at for at, node in enumerate(nodes)}
        self.own: list[dict[int, int]] = [{} for _ in nodes]
        """For each node, whom each of its held slots leads to."""
        self._linked: list[set[int]] = [set() for _ in nodes]
        self._room = np.ones(len(nodes), dtype=np.bool_)

    def settle(self, steps: Steps = unheard) -> None:
        """Fill the slots, one a turn and node, until nobody wants more; then let them follow their hashes."""
        order = list(range(len(self._nodes)))
        open_ = set(order)
        done, expected = 0, len(order) * self._rules.links // 2  # a step is one look through all hashes of a slot
        total = expected * (1 + LOOKS)
        while open_:
            self._rng.shuffle(order)
            for at in order:
                if at in open_ and not (self._wanted(at) and self._fill(at)):
                    open_.discard(at)
                elif at in open_ and done < expected:
                    done += 1
                    steps(done, total, "choosing links")
        total = done + LOOKS * sum(len(slots) for slots in self.own)
        for _ in range(LOOKS):
            self._rng.shuffle(order)
            for at in order:
                for slot in sorted(self.own[at]):
                    self._follow(at, slot)
                done += len(self.own[at])
                steps(done, total, "choosing links")

    def _wanted(self, at: int) -> int:
        return self._slots[at].wanted(listed=len(self._linked[at]), own=len(self.own[at]), age=self._ages[at])

    def _look(self, *changed: int) -> None:
        """See whether the records of these nodes would show room for one more inbound link."""
        for at in changed:
            listed = len(self._linked[at])
            self._room[at] = listed < self._rules.cap and listed - len(self.own[at]) < self._rules.inbound

    def _fill(self, at: int) -> bool:
        slot = next(slot for slot in range(self._rules.own_young) if slot not in self.own[at])
        target = self._best(at, slot, [])
        if target is None:
            return False
        self._hold(at, slot, target)
        return True

    def _follow(self, at: int, slot: int) -> None:
        """Let a slot go over to the peer that its hash prefers, if there is one with room."""
        held = self.own[at][slot]
        target = self._best(at, slot, [self._peers[held]])
        if target is not None and target != held:
            self._linked[at].discard(held)
            self._linked[held].discard(at)
            self._hold(at, slot, target)
            self._look(held)

    def _hold(self, at: int, slot: int, target: int) -> None:
        self.own[at][slot] = target
        self._linked[at].add(target)
        self._linked[target].add(at)
        self._look(at, target)

    def _best(self, at: int, slot: int, holder: list[PeerId]) -> int | None:
        """Return the node that a slot's hash puts first among its holder and all with room that share few neighbours
        with its own; where none does, the first that shares the fewest."""
        near = self._linked[at]
        roomy = [self._peers[one] for one in np.flatnonzero(self._room).tolist() if one != at and one not in near]
        ranked = [self._index[peer] for peer in self._slots[at].best(slot, [*holder, *roomy], TRIED)]
        holders = {self._index[peer] for peer in holder}
        shared = {one: len(near & self._linked[one]) for one in ranked}
        fit = (one for one in ranked if one in holders or shared[one] <= self._rules.overlap)
        return next(fit, min(ranked, key=shared.__getitem__, default=None))


def open_links(nodes: Sequence[SimNode], own: Sequence[Mapping[int, int]], steps: Steps = unheard) -> None:
    """Open these own links, by node and slot, and start all nodes once they are up: each then signs one record that
    lists all its links."""
    world, total = nodes[0].world, 3 * len(nodes)
    for node in nodes:
        node.running = True
    for done, (node, slots) in enumerate(zip(nodes, own, strict=True), 1):
        for slot, target in sorted(slots.items()):
            _link(node, slot, nodes[target], world.now)
        steps(done, total, "opening links")
    begun = world.now
    for part in range(1, LINKED_PARTS + 1):
        world.run(Millis(begun + LINKED_AFTER * part // LINKED_PARTS))
        steps(len(nodes) + len(nodes) * part // LINKED_PARTS, total, "opening links")
    for done, node in enumerate(nodes, 1):
        node.start()
        steps(2 * len(nodes) + done, total, "opening links")


def spread_map(nodes: Sequence[SimNode], steps: Steps = unheard) -> None:
    """Let every node take the records of all others as it would take those of a range from its first neighbour.

    It then knows each peer for as long as both have been there: else no peer were old enough for a slot to move to it.
    No link is of use for having been new, and records follow the tree of the map from the first one on.
    """
    own = [(node.peer, node.archive.get(node.peer)) for node in nodes]
    raws = [raw for _, raw in sorted(own) if raw is not None]
    assert len(raws) == len(nodes), "a node signs when it starts with links"
    for done, node in enumerate(nodes, 1):
        gossip, now = node.mesh.parts.gossip, node.mesh.mesh_time(node.world.now)
        _, honest = gossip.take_ranged(node.mesh.neighbours()[0].peer, raws, (0, 2**64 - 1), now)
        assert honest, "the records are those of the nodes"
        gossip.settle(now)
        facts = node.mesh.parts.peer_map.facts(node.peer)
        assert facts is not None, "a node knows its own record"
        node.mesh.parts.peer_map.known_since(facts.born)
        gossip.spread.flows.only_trees()
        steps(done, len(nodes), "spreading the map")


def _link(chooser: SimNode, slot: int, target: SimNode, now: Millis) -> None:
    """Begin an own link with offer and answer carried by hand; all that follows goes over the wire."""
    world, mine, theirs = chooser.world, chooser.mesh.parts.overlay, target.mesh.parts.overlay
    mine.slots.hold(slot, target.peer)
    number = _only(mine.setup.dial(target.peer, LinkKind.LISTED, slot, now), CreateOffer).link
    offering = mine.links.get(number)
    assert offering is not None, "it has just begun"
    sdp = world.offer(chooser, number)
    offer = _only(mine.setup.offer_ready(offering, sdp, now), Speak).signal
    assert isinstance(offer, Offer), "a dial is an offer"
    taken = _only(theirs.setup.accept(chooser.peer, offer, now, back=(), host=None), CreateAnswer).link
    answering, made = theirs.links.get(taken), world.answer(target, taken, sdp)
    assert answering is not None, "it has just begun"
    assert made is not None, "the offer is of this world"
    answer = _only(theirs.setup.answer_ready(answering, made, now), Speak).signal
    assert isinstance(answer, Answer), "an accepted offer is answered"
    applied = _only(mine.setup.took_answer(target.peer, answer, now) or [], ApplyAnswer)
    world.connect(chooser, number, applied.answer)


def _only(words: Sequence[Word], kind: type[Kind]) -> Kind:
    """Return the one word there is, which is of this kind."""
    (word,) = words
    assert isinstance(word, kind), "a set-up takes one step at a time"
    return word
