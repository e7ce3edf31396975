"""Where the mesh's effects for applications fan out: the exchange, tickets, subscribers, the log."""

import logging
from collections.abc import Callable
from typing import assert_never

from chain.primitives.peer import short
from chain.primitives.units import Millis
from cli.services.exchange import ExchangeService
from cli.services.tickets import TICKET_TOPIC, TicketService
from net.core.effects import (
    Alarm,
    LinkDown,
    LinkUp,
    MapEvent,
    Requested,
    RequestFailed,
    Responded,
    Validate,
)
from net.rpc.events import Events
from net.transport.ports import AppEffect

log = logging.getLogger("net")


class Hub:
    """The driver's application. Built before the services that need the driver; `connect` completes it."""

    def __init__(self, events: Events) -> None:
        self._events = events
        self._exchange: ExchangeService | None = None
        self._tickets: TicketService | None = None
        self._links_changed: Callable[[], None] = lambda: None
        self._alarm: Callable[[Alarm], None] = lambda _alarm: None

    def connect(
        self,
        exchange: ExchangeService,
        tickets: TicketService,
        links_changed: Callable[[], None],
        alarm: Callable[[Alarm], None],
    ) -> None:
        """Take the parts that listen."""
        self._exchange, self._tickets = exchange, tickets
        self._links_changed, self._alarm = links_changed, alarm

    def handle(self, effect: AppEffect, now: Millis) -> None:
        """Pass one effect on."""
        del now  # the services use the mesh's clock
        exchange, tickets = self._exchange, self._tickets
        assert exchange is not None, "connected before the driver starts"
        assert tickets is not None, "connected before the driver starts"
        match effect:
            case Validate(topic=topic) if topic == TICKET_TOPIC:
                tickets.validate(effect)
            case LinkUp():
                way = "to" if effect.outbound else "from"
                log.info("link %s %s is up (%s)", way, short(effect.peer), effect.kind.value)
                exchange.handle(effect)
                self._links_changed()
            case LinkDown():
                log.info("link with %s is down: %s", short(effect.peer), effect.reason)
                exchange.handle(effect)
                self._links_changed()
            case Validate() | Requested() | Responded() | RequestFailed():
                exchange.handle(effect)
            case MapEvent():
                self._events.map_event(effect)
            case Alarm():
                self._alarm(effect)
            case _:
                assert_never(effect)
