"""Several exchanges on a bus with virtual time: delays, loss, silent and lying peers; all by seed."""

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Protocol

from chain.block import Block, ChainedHeader
from chain.exchange.effects import (
    AddTransaction,
    Ask,
    CheckBody,
    CheckSeals,
    Effect,
    Import,
    Judgement,
    OutOfReach,
    OwnRefused,
    Penalise,
    Publish,
    RecoverSenders,
    Refuse,
    Reply,
    SyncProgress,
    Tag,
    Verdict,
)
from chain.exchange.exchange import Exchange
from chain.exchange.messages import Request, decode_request
from chain.exchange.policy import ExchangePolicy
from chain.exchange.ports import BlockSource, StakeSource
from chain.exchange.topics import FEATURES, NO_ANSWER, Topic
from chain.exchange.work import check_body, check_seals, recover_senders
from chain.mempool.policy import MempoolPolicy
from chain.mempool.pool import Mempool
from chain.ports import SealRules
from chain.primitives.errors import Penalty
from chain.primitives.hashing import blake2b_128
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis, Wei
from chain.rules import InvalidBlock, InvalidTransaction
from chain.transaction import SignedTransaction
from chain.verified import ImportStatus, VerifiedBlock
from tests.helpers.exchange_chain import GENESIS, PARAMS, SmallChain
from tests.helpers.mempool_fakes import FakeAccounts, FakeJournal

POLICY = ExchangePolicy.for_block_time(Millis(12_000))
POOL = MempoolPolicy()
SILENCE = 10_000
"""ms after which the mesh gives a request up."""
START = Millis(GENESIS.time)


def peer_of(number: int) -> PeerId:
    """Return the id of a node."""
    return PeerId(bytes((number,)) * 32)


@dataclass(frozen=True, slots=True)
class Fault:
    """A penalty that a node gave."""

    by: int
    peer: PeerId
    penalty: Penalty
    reason: str


class NodeChain(BlockSource, StakeSource, Protocol):
    """A chain with its importer, as a node of the world holds it."""

    applied: list[SignedTransaction]
    undone: list[SignedTransaction]

    @property
    def rules(self) -> SealRules:
        """Who may seal."""

    def add(self, block: VerifiedBlock, now: Millis) -> ImportStatus:
        """Import a block. Raises `InvalidBlock`."""

    def ripen(self, now: Millis) -> bool:
        """Adopt what is ripe; tell whether the head moved."""

    def deadline(self) -> Millis | None:
        """Return when the next block ripens."""


class Node:
    """One node: exchange, chain and pool, and the driver's part of carrying out effects."""

    def __init__(self, world: "World", number: int, chain: NodeChain | None, pool: MempoolPolicy) -> None:
        self.world = world
        self.number = number
        self.peer = peer_of(number)
        self.chain: NodeChain = SmallChain() if chain is None else chain
        self.accounts = FakeAccounts()
        self.pool = Mempool(PARAMS, pool, FakeJournal(), accounts=self.accounts, base_fee=Wei(10**9))
        self.exchange = Exchange(
            PARAMS,
            POLICY,
            self.chain.rules,
            source=self.chain,
            stakes=self.chain,
            pool=self.pool,
            rng=Random(number),
            entropy=Random(f"entropy/{number}").randbytes,
        )
        self.features = FEATURES
        """What it tells in its handshakes; an older node's are 0."""
        self.links: dict[PeerId, Node] = {}
        self.seen: dict[bytes, bytes] = {}
        self.verdicts: dict[bytes, Verdict] = {}
        self.progress: list[SyncProgress] = []
        self.imports: list[int] = []
        self.out_of_reach: list[OutOfReach] = []
        self.refused: list[OwnRefused] = []
        self.is_silent = False
        """Answers no request, as a hostile peer does."""
        self.rewrite: Callable[[bytes], bytes] = lambda payload: payload
        """What a lying peer makes of its answers."""
        self._requests: dict[int, tuple[Node, Tag]] = {}
        self._next_request = 0
        self._wake: Millis | None = None

    @property
    def head(self) -> ChainedHeader:
        """The adopted head."""
        return self.chain.head()

    def do(self, effects: list[Effect]) -> None:
        """Carry out effects, and look when the exchange next wants to be called."""
        for effect in effects:
            self._do(effect)
        deadlines = [due for due in (self.exchange.deadline(), self.chain.deadline()) if due is not None]
        if deadlines and (self._wake is None or min(deadlines) < self._wake or self._wake <= self.world.now):
            self._wake = Millis(max(min(deadlines), self.world.now))
            self.world.at(self._wake, self._tick)

    def found(self, block: Block) -> None:
        """Let this node's miner find a block."""
        self.do(self.exchange.found(block, self.world.now))

    def send(self, signed: SignedTransaction) -> None:
        """Take a transaction from this node's user."""
        self.pool.add(signed, self.world.now, local=True)
        self.do(self.exchange.submit(signed.tx, self.world.now))

    def deliver(self, topic: Topic, payload: bytes, sender: "Node") -> None:
        """Receive a published message, once."""
        key = blake2b_128(payload)
        if sender.peer not in self.links or key in self.seen:
            return
        self.seen[key] = payload
        self.do(self.exchange.validate(topic, key, payload, sender.peer, self.world.now))

    def _tick(self) -> None:
        if self._wake is None or self.world.now < self._wake:
            return
        self._wake = None
        if self.chain.ripen(self.world.now):
            self._follow_head()
        self.world.ticks += 1
        self.do(self.exchange.tick(self.world.now))

    def _follow_head(self) -> None:
        for signed in self.chain.applied:
            self.accounts.nonces[signed.sender] = signed.tx.nonce + 1
        self.pool.head_changed(
            self.chain.applied,
            self.chain.undone,
            accounts=self.accounts,
            base_fee=Wei(10**9),
            now=self.world.now,
        )

    def _do(self, effect: Effect) -> None:
        now, world = self.world.now, self.world
        match effect:
            case Ask(peer, _, payload, tag):
                other = self.links.get(peer)
                if other is None:
                    world.later(1, lambda: self.do(self.exchange.request_failed(tag, "gone", world.now)))
                    return
                world.asked.append((now, self.number, peer, decode_request(payload)))
                if not other.is_silent:
                    world.send(lambda: other._asked(self, tag, payload))
                world.later(SILENCE, lambda: self.do(self.exchange.request_failed(tag, NO_ANSWER, world.now)))
            case Reply(request, payload):
                asker, asked_tag = self._requests.pop(request)
                answer = self.rewrite(payload)
                world.send(lambda: asker.do(asker.exchange.responded(asked_tag, answer, world.now)))
            case Refuse(request, reason):
                asker, asked_tag = self._requests.pop(request)
                world.send(lambda: asker.do(asker.exchange.request_failed(asked_tag, reason, world.now)))
            case Verdict(key, judgement, _):
                assert key not in self.verdicts, "one verdict for each message"
                self.verdicts[key] = effect
                if judgement is Judgement.ACCEPT:
                    self._flood(Topic.TRANSACTION if len(self.seen[key]) < 200 else Topic.BLOCK, self.seen[key])
            case Publish(topic, payload):
                self.seen[blake2b_128(payload)] = payload
                self._flood(topic, payload)
            case Penalise(peer, penalty, reason):
                world.faults.append(Fault(self.number, peer, penalty, reason))
                if penalty is Penalty.BAN and peer in self.links:
                    world.unlink(self, self.links[peer])
            case CheckSeals(tag, checks, _):
                seals = check_seals(self.chain.rules, checks)
                world.later(2 * len(checks), lambda: self.do(self.exchange.seals_checked(tag, seals, world.now)))
            case RecoverSenders(tag, transactions):
                senders = recover_senders(transactions)
                world.later(1, lambda: self.do(self.exchange.senders_recovered(tag, senders, world.now)))
            case CheckBody(tag, header, body, _):
                result = check_body(PARAMS, header, body, self.pool.get)
                world.later(1, lambda: self.do(self.exchange.body_checked(tag, result, world.now)))
            case Import():
                world.later(5, lambda: self._import(effect))
            case AddTransaction(tag, signed):
                self.do(self.exchange.transaction_added(tag, self._try_add(signed, now), now))
            case OwnRefused():
                self.refused.append(effect)
            case SyncProgress():
                self.progress.append(effect)
            case OutOfReach():
                self.out_of_reach.append(effect)

    def _import(self, effect: Import) -> None:
        outcome: ImportStatus | InvalidBlock
        try:
            outcome = self.chain.add(effect.block, self.world.now)
        except InvalidBlock as error:
            outcome = error
        self.imports.append(effect.block.sealed.header.height)
        if outcome is ImportStatus.ADOPTED:
            self._follow_head()
        self.do(self.exchange.imported(effect.tag, outcome, self.world.now))

    def _try_add(self, signed: SignedTransaction, now: Millis) -> InvalidTransaction | None:
        try:
            self.pool.add(signed, now, local=False)
        except InvalidTransaction as error:
            return error
        return None

    def _asked(self, asker: "Node", tag: Tag, payload: bytes) -> None:
        self._next_request += 1
        self._requests[self._next_request] = (asker, tag)
        self.do(self.exchange.requested(self._next_request, Topic.SYNC, asker.peer, payload, self.world.now))

    def _flood(self, topic: Topic, payload: bytes) -> None:
        for other in list(self.links.values()):
            self.world.send(partial(other.deliver, topic, payload, self))


class World:
    """Nodes, the bus between them, and the virtual clock."""

    def __init__(self, seed: int, *, loss: float = 0.0, start: Millis = START) -> None:
        self.now = start
        self.rng = Random(seed)
        self.loss = loss
        self.nodes: list[Node] = []
        self.faults: list[Fault] = []
        self.asked: list[tuple[Millis, int, PeerId, Request]] = []
        """When, by whom, of whom and what."""
        self.ticks = 0
        self._events: list[tuple[Millis, int, Callable[[], None]]] = []
        self._next = 0

    def node(self, chain: NodeChain | None = None, *, pool: MempoolPolicy = POOL) -> Node:
        """Add a node, linked to nobody."""
        node = Node(self, len(self.nodes) + 1, chain, pool)
        self.nodes.append(node)
        return node

    def link(self, one: Node, other: Node) -> None:
        """Link two nodes."""
        for near, far in ((one, other), (other, one)):
            near.links[far.peer] = far
        for near, far in ((one, other), (other, one)):
            near.do(near.exchange.link_up(far.peer, self.now, features=near.features & far.features))

    def unlink(self, one: Node, other: Node) -> None:
        """End a link."""
        for near, far in ((one, other), (other, one)):
            if near.links.pop(far.peer, None) is not None:
                near.do(near.exchange.link_down(far.peer, self.now))

    def mesh(self, nodes: list[Node]) -> None:
        """Link all to all."""
        for index, one in enumerate(nodes):
            for other in nodes[index + 1 :]:
                self.link(one, other)

    def at(self, time: Millis, action: Callable[[], None]) -> None:
        """Do something at a moment."""
        heapq.heappush(self._events, (time, self._next, action))
        self._next += 1

    def later(self, delay: int, action: Callable[[], None]) -> None:
        """Do something after a delay."""
        self.at(Millis(self.now + delay), action)

    def send(self, action: Callable[[], None]) -> None:
        """Carry a message, unless it is lost."""
        if self.rng.random() >= self.loss:
            self.later(self.rng.randrange(20, 120), action)

    def run(self, duration: int) -> None:
        """Let time pass."""
        end = Millis(self.now + duration)
        while self._events and self._events[0][0] <= end:
            time, _, action = heapq.heappop(self._events)
            self.now = Millis(max(self.now, time))
            action()
        self.now = end

    def bans(self) -> set[PeerId]:
        """Return who was banned by anybody."""
        return {fault.peer for fault in self.faults if fault.penalty is Penalty.BAN}


def small(node: Node) -> SmallChain:
    """Return the chain of a node that has a small one."""
    assert isinstance(node.chain, SmallChain)
    return node.chain
