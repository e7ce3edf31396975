"""Stake tickets on the event loop: the relay's rule, this node's own validators, and the miner that wants the best."""

import logging
import os
from collections.abc import Callable, Sequence
from typing import Protocol

from chain.block import ChainedHeader
from chain.epochs import SNAPSHOT_AGE
from chain.importer import Importer
from chain.params import ChainParams
from chain.primitives.units import Hash32, Millis
from chain.staking_registry import Registry
from chain.verified import ImportResult
from chain.views import ChainView
from cli.services.chain import HeadChange
from cli.services.timer import DeadlineTimer
from cli.workers import Workers
from consensus.staker import Staker, Validator, ValidatorStatus
from consensus.ticket import Draw
from consensus.ticket_relay import (
    BestTicket,
    Judgement,
    JudgeTicket,
    OpenParent,
    PublishTicket,
    TicketEffect,
    TicketRelay,
    TicketStatistics,
)
from net.core.effects import Validate, Verdict

log = logging.getLogger("tickets")

TICKET_TOPIC = 4
"""Number of the topic; 1 to 15 are the chain's (`chain.exchange.topics`)."""

_VERDICTS = {
    Judgement.ACCEPT: Verdict.ACCEPT,
    Judgement.REJECT: Verdict.REJECT,
    Judgement.IGNORE: Verdict.IGNORE,
}


class TicketNetwork(Protocol):
    """The two calls of the mesh that tickets need."""

    def publish(self, topic: int, payload: bytes) -> None:
        """Send a message to everybody."""

    def verdict(self, key: bytes, verdict: Verdict) -> None:
        """Judge a message."""


class TicketService:
    """Drives `TicketRelay` and `Staker`; `HeadListener` of the chain. All methods belong to the event loop."""

    def __init__(
        self,
        params: ChainParams,
        *,
        importer: Importer,
        view: ChainView,
        workers: Workers,
        clock: Callable[[], Millis],
        validators: Sequence[Validator],
        network: TicketNetwork,
        best: Callable[[Hash32, Draw], None],
    ) -> None:
        """`clock` is the mesh's; `best` tells the miner of a better ticket."""
        self._params = params
        self._importer = importer
        self._view = view
        self._clock = clock
        self._network = network
        self._best = best
        self._relay = TicketRelay(params)
        self._staker = Staker(params, validators, os.urandom)
        self._publics = tuple(validator.public for validator in validators)
        self._owners_of: Hash32 | None = None
        self._served: Hash32 | None = None
        self._active = True
        self._timer = DeadlineTimer(clock, self._deadline, self._tick, workers.fail)

    def start(self) -> None:
        """Open the present head for tickets."""
        self._open_parents()

    def stop(self) -> None:
        """Do nothing more by itself."""
        self._timer.cancel()

    def activate(self, *, active: bool) -> None:
        """Send own tickets, or none: to a node that is catching up every head is one that all others left long ago."""
        if active != self._active:
            self._active = active
            self._open_parents()

    def validate(self, effect: Validate) -> None:
        """Judge a ticket message of a neighbour."""
        self._carry_out(self._relay.validate(effect.key, effect.payload, effect.sender, self._clock()))

    def best_draw(self, parent_id: Hash32) -> Draw | None:
        """Return the best ticket known for a parent."""
        return self._relay.best(parent_id)

    def imported(self, result: ImportResult) -> None:
        """A block was stored: tickets for the blocks after the best unripe ones are taken as well."""
        if result.move is None:
            self._open_parents()

    def head_changed(self, change: HeadChange) -> None:
        """The canonical chain changed: count tickets won, open the new head, and send this node's own ticket."""
        for block in change.result.undone:
            self._staker.undone(block.chained)
        for block in change.result.applied:
            self._staker.applied(block.chained)
        self._open_parents()

    def statistics(self) -> TicketStatistics:
        """Return the relay's counters."""
        return self._relay.statistics()

    def validators(self) -> tuple[ValidatorStatus, ...]:
        """Return the state of this node's validators; it tells their foresight, so it is for the operator alone."""
        return self._staker.statistics()

    def _open_parents(self) -> None:
        head = self._view.head()
        parents = [head, *self._importer.unripe_children(head.id)]
        opened = [OpenParent(parent, self._importer.epoch_stake(parent)) for parent in parents]
        self._carry_out(self._relay.parents_changed(opened, self._clock()))
        # One ticket for each block that may become the parent; the staker's best goes out at once.
        best = opened[1] if len(opened) > 1 else opened[0]
        if self._active and best.parent.id != self._served:
            self._served = best.parent.id
            self._find_owners(best.parent)
            for own in self._staker.parent(best.parent, best.stake):
                self._carry_out(self._relay.own(own.parent_id, own.draw))

    def _find_owners(self, parent: ChainedHeader) -> None:
        """Tell the staker whose stakes its validators draw for: those of the snapshot that their tickets are judged by.

        Not those of the head: a key that was withdrawn has no owner there and still counts for some epochs.
        """
        if not self._publics:
            return
        epoch = self._params.epoch(parent.height + 1)
        height = max(0, (epoch - SNAPSHOT_AGE + 1) * self._params.epoch_length - 1)
        snapshot = self._view.header_at(height)
        if snapshot is None or snapshot.id == self._owners_of:
            return
        self._owners_of = snapshot.id
        registry = Registry(self._view.state(snapshot))
        for public in self._publics:
            owner = registry.key_owner(public)
            if owner is not None:
                self._staker.owner(public, owner)

    def _deadline(self) -> Millis | None:
        # The staker's foresight is computed in small steps whenever the loop is free.
        return self._clock() if self._staker.has_work() else self._relay.deadline()

    def _tick(self) -> None:
        if self._staker.has_work():
            self._staker.tick()
        self._carry_out(self._relay.tick(self._clock()))

    def _carry_out(self, effects: list[TicketEffect]) -> None:
        for effect in effects:
            match effect:
                case JudgeTicket(key=key, judgement=judgement, reason=reason):
                    if judgement is Judgement.REJECT:
                        log.warning("ticket refused: %s", reason, extra={"repeats": True})
                    self._network.verdict(key, _VERDICTS[judgement])
                case PublishTicket(payload=payload):
                    self._network.publish(TICKET_TOPIC, payload)
                case BestTicket(parent_id=parent_id, draw=draw):
                    self._best(parent_id, draw)
        self._timer.arm()
