"""Watches the canonical chain for the alarms of DESIGN section 5, and says so in the log."""

import logging
from collections.abc import Mapping

from chain.params import ChainParams
from chain.primitives.units import Millis
from chain.verified import ImportResult
from chain.views import ChainView
from cli.services.chain import HeadChange
from consensus.statistics import LONG_WINDOW, ConsensusAlarm, ConsensusMonitor, ConsensusStatistics

log = logging.getLogger("alarm")


class ConsensusWatch:
    """Feeds a `ConsensusMonitor`; `HeadListener` of the chain."""

    def __init__(self, params: ChainParams, view: ChainView) -> None:
        """Read the last blocks of the stored chain, so that a restart forgets nothing."""
        self._monitor = ConsensusMonitor(params)
        head = view.head().height
        for height in range(max(1, head - LONG_WINDOW + 1), head + 1):
            block = view.header_at(height)
            if block is not None:
                self._monitor.applied(block)

    def imported(self, result: ImportResult) -> None:
        """A stored block that is not canonical tells nothing here."""

    def head_changed(self, change: HeadChange) -> None:
        """Take undone and applied blocks, and log the alarms that begin."""
        undone = change.result.undone
        alarms: list[ConsensusAlarm] = []
        if undone:
            alarms += self._monitor.undone(len(undone), undone[-1].chained.height)
        for block in change.result.applied:
            alarms += self._monitor.applied(block.chained)
        self._tell(alarms)

    def clock_error(self, error: Millis) -> None:
        """Take the mesh clock's estimate of this machine's error."""
        self._tell(self._monitor.clock_error(error))

    def statistics(self) -> ConsensusStatistics:
        """Return the state of now, alarms that hold included."""
        return self._monitor.statistics()

    def alarms(self) -> Mapping[str, str]:
        """Return the texts of the alarms that hold now, by kind."""
        return {alarm.kind: alarm.text for alarm in self._monitor.alarms()}

    def _tell(self, alarms: list[ConsensusAlarm]) -> None:
        for alarm in alarms:
            log.error("%s: %s", alarm.kind, alarm.text)
