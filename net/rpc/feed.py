"""From events to notifications: one ordered feed that loads each new block once, for all subscribers and filters."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from chain.block import ChainedHeader
from chain.params import ChainParams
from chain.transaction import SignedTransaction
from net.core.effects import MapEvent
from net.rpc.blocks import Blocks, LoadedBlock
from net.rpc.chain_facts import head_json, map_event_json
from net.rpc.encoding import Json, data, dump
from net.rpc.filters import FilterKind, FilterTable
from net.rpc.logs import LogTexts
from net.rpc.objects import header_json, pending_json
from net.rpc.policy import RpcLimits
from net.rpc.topics import Subject, Subscribed
from net.rpc.workers import Workers


class Subscriber(Protocol):
    """Where notifications go; `websocket.Session` is the one kind."""

    def notify(self, text: bytes) -> None:
        """Queue a message, or drop the client if its queue is full; never blocks."""

    def lost(self, subject: Subject) -> None:
        """End the client: notifications of this subject could not be told without a gap."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One client's subscription."""

    name: str
    wish: Subscribed
    client: Subscriber

    def send(self, payload: bytes) -> None:
        """Notify the client; `payload` is the JSON text of the result."""
        self.client.notify(
            b'{"jsonrpc":"2.0","method":"%b","params":{"subscription":"%b","result":%b}}'
            % (self.wish.method.encode(), self.name.encode(), payload)
        )


@dataclass(frozen=True, slots=True)
class _Move:
    applied: tuple[ChainedHeader, ...]
    undone: tuple[ChainedHeader, ...]


class Feed:
    """Listens to the `Events` hub and serves subscriptions and filters. Used from the event loop's thread."""

    def __init__(
        self,
        blocks: Blocks,
        filters: FilterTable,
        workers: Workers,
        params: ChainParams,
        limits: RpcLimits,
        *,
        work: Callable[[], Json],
    ) -> None:
        """`work` returns the miners' work as JSON, null without one."""
        self._blocks = blocks
        self._filters = filters
        self._workers = workers
        self._params = params
        self._limits = limits
        self._work = work
        self._subscriptions: dict[Subject, dict[str, Subscription]] = {subject: {} for subject in Subject}
        self._moves: deque[_Move] = deque()
        self._waiting = 0
        self._woken = asyncio.Event()
        self._work_changed = asyncio.Event()
        self.notified = 0
        """Notifications handed to clients."""
        self.skipped = 0
        """Blocks that were not told because the node imported faster than they could be loaded."""

    # subscriptions

    def add(self, subscription: Subscription) -> None:
        """Begin to notify."""
        self._subscriptions[subscription.wish.subject][subscription.name] = subscription

    def remove(self, subscription: Subscription) -> None:
        """End notifying."""
        self._subscriptions[subscription.wish.subject].pop(subscription.name, None)

    def count(self) -> int:
        """Return the number of subscriptions."""
        return sum(len(subscriptions) for subscriptions in self._subscriptions.values())

    def _tell(self, subject: Subject, value: Json) -> None:
        subscriptions = self._subscriptions[subject]
        if subscriptions:
            payload = dump(value)
            self._send(subscriptions.values(), payload)

    def _send(self, subscriptions: Iterable[Subscription], payload: bytes) -> None:
        for subscription in tuple(subscriptions):
            subscription.send(payload)
            self.notified += 1

    # events

    def heads(self, applied: tuple[ChainedHeader, ...], undone: tuple[ChainedHeader, ...]) -> None:
        """Queue a change of the chain for `run`."""
        self._waiting += len(applied) + len(undone)
        if self._waiting > self._limits.feed_backlog:
            self._skip(applied)
        else:
            self._moves.append(_Move(applied, undone))
        self._woken.set()

    def _skip(self, applied: tuple[ChainedHeader, ...]) -> None:
        """Keep only the newest head: during a catch-up nobody can use thousands of old ones."""
        self.skipped += self._waiting - len(applied[-1:])
        self._moves.clear()
        self._moves.append(_Move(applied[-1:], ()))
        self._waiting = len(applied[-1:])
        self._filters.drop_kind(FilterKind.LOGS)
        for subscription in tuple(self._subscriptions[Subject.LOGS].values()):
            subscription.client.lost(Subject.LOGS)

    def pending(self, signed: SignedTransaction) -> None:
        """Tell of a transaction at once."""
        tx_hash = dump(data(signed.tx.hash))
        self._filters.collect(FilterKind.PENDING, [tx_hash])
        subscriptions = self._subscriptions[Subject.PENDING]
        if not subscriptions:
            return
        self._send([found for found in subscriptions.values() if not found.wish.full], tx_hash)
        whole = [found for found in subscriptions.values() if found.wish.full]
        if whole:
            self._send(whole, dump(pending_json(signed)))

    def map_event(self, event: MapEvent) -> None:
        """Tell of a link of the map at once."""
        self._tell(Subject.MAP, map_event_json(event))

    def work(self) -> None:
        """Tell of new work at once, and wake those who wait for it."""
        self._work_changed.set()
        self._work_changed = asyncio.Event()
        if self._subscriptions[Subject.WORK]:
            self._tell(Subject.WORK, self._work())

    async def work_changed(self) -> None:
        """Wait until the miners' work changes."""
        await self._work_changed.wait()

    # chain

    async def run(self) -> None:
        """Load and tell of new blocks, in order, until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            while self._moves:
                move = self._moves.popleft()
                self._waiting -= len(move.applied) + len(move.undone)
                await self._move(move)

    def _wanted(self) -> bool:
        return any(self._subscriptions[subject] for subject in (Subject.NEW_HEADS, Subject.LOGS, Subject.CHAIN)) or any(
            True for kind in (FilterKind.BLOCKS, FilterKind.LOGS) for _ in self._filters.of_kind(kind)
        )

    async def _move(self, move: _Move) -> None:
        if not self._wanted():
            return
        for chained in move.undone:
            loaded = await self._workers.run_always(self._blocks.load, chained)
            await self._logs(loaded, removed=True)
            self._tell(Subject.CHAIN, head_json(chained, self._params, removed=True))
        for chained in move.applied:
            loaded = await self._workers.run_always(self._blocks.load, chained)
            self._tell(Subject.NEW_HEADS, header_json(loaded, self._params))
            self._filters.collect(FilterKind.BLOCKS, [dump(data(chained.id))])
            await self._logs(loaded, removed=False)
            self._tell(Subject.CHAIN, head_json(chained, self._params, removed=False))

    async def _logs(self, loaded: LoadedBlock, *, removed: bool) -> None:
        """Tell of a block's logs, giving others a turn after each client: many wishes times many logs take seconds."""
        if not any(loaded.bloom):
            return
        texts = LogTexts(loaded, removed=removed)
        subscriptions = self._subscriptions[Subject.LOGS]
        for subscription in tuple(subscriptions.values()):
            assert subscription.wish.criteria is not None, "a log subscription says which logs"
            if subscription.name not in subscriptions:
                continue  # ended while others had their turn
            for text in texts.wanted(subscription.wish.criteria):
                self._send([subscription], text)
            await asyncio.sleep(0)
        for name, found in list(self._filters.of_kind(FilterKind.LOGS)):
            assert found.criteria is not None, "a log filter says which logs"
            added = list(texts.wanted(found.criteria))
            if added:
                self._filters.append(name, found, added)
            await asyncio.sleep(0)
