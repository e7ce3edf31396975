"""The hub between what happens in the node and those who subscribed to it.

The composition root calls the three telling methods from the event loop's thread, after the fact: the state of a head
is readable before `heads` is called. Listeners only put into bounded queues of their own: a slow one holds up nobody.
"""

from collections.abc import Callable
from typing import Protocol

from chain.block import ChainedHeader
from chain.transaction import SignedTransaction
from net.core.effects import MapEvent


class Listener(Protocol):
    """What is told of events; it must neither block nor raise."""

    def heads(self, applied: tuple[ChainedHeader, ...], undone: tuple[ChainedHeader, ...]) -> None:
        """The canonical chain changed: `undone` newest first, then `applied` oldest first."""

    def pending(self, signed: SignedTransaction) -> None:
        """The pool took a transaction that could be mined next."""

    def map_event(self, event: MapEvent) -> None:
        """A link of the global map was confirmed or ended."""

    def work(self) -> None:
        """The miners' work changed: `MiningWork.current` returns another."""


class Events:
    """Tells every listener; only the event loop's thread may call it."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Add a listener and return the function that takes it away again."""
        self._listeners.append(listener)

        def forget() -> None:
            if listener in self._listeners:
                self._listeners.remove(listener)

        return forget

    def heads(self, applied: tuple[ChainedHeader, ...], undone: tuple[ChainedHeader, ...]) -> None:
        """Tell of a change of the canonical chain."""
        for listener in tuple(self._listeners):
            listener.heads(applied, undone)

    def pending(self, signed: SignedTransaction) -> None:
        """Tell of a transaction that the pool took."""
        for listener in tuple(self._listeners):
            listener.pending(signed)

    def map_event(self, event: MapEvent) -> None:
        """Tell of a link that came or went."""
        for listener in tuple(self._listeners):
            listener.map_event(event)

    def work(self) -> None:
        """Tell that the miners' work changed."""
        for listener in tuple(self._listeners):
            listener.work()
