"""Who leaves first when the pool is full: a heap over the senders' tails with lazy deletion."""

import heapq
from collections.abc import Mapping

from chain.mempool.sender_queue import SenderQueue
from chain.primitives.units import Address, Wei

SLACK = 64
"""Stale heap items that are tolerated beyond twice the senders before the heap is built again."""


class EvictionOrder:
    """The senders by what keeping their tail is worth, lowest first; equal worth: the youngest tail first."""

    def __init__(self, senders: Mapping[Address, SenderQueue]) -> None:
        self._senders = senders
        self._heap: list[tuple[tuple[int, int], int, Address]] = []
        self._current: dict[Address, tuple[tuple[int, int], int]] = {}

    def update(self, address: Address, base_fee: Wei) -> None:
        """Take note that a sender's entries have changed."""
        queue = self._senders.get(address)
        if queue is None or not queue.entries:
            self._current.pop(address, None)
            return
        key = (queue.worth(base_fee), -queue.tail().number)
        if self._current.get(address) != key:
            self._current[address] = key
            heapq.heappush(self._heap, (*key, address))
        if len(self._heap) > 2 * len(self._current) + SLACK:
            self._rebuild()

    def reprice(self, base_fee: Wei) -> None:
        """Order all senders again for another base fee."""
        self._current = {
            address: (queue.worth(base_fee), -queue.tail().number)
            for address, queue in self._senders.items()
            if queue.entries
        }
        self._rebuild()

    def first(self) -> tuple[Address, tuple[int, int]] | None:
        """Return the sender whose tail leaves first and what it is worth, None in an empty pool."""
        while self._heap:
            worth, youth, address = self._heap[0]
            if self._current.get(address) == (worth, youth):
                return address, worth
            heapq.heappop(self._heap)
        return None

    def _rebuild(self) -> None:
        self._heap = [(*key, address) for address, key in self._current.items()]
        heapq.heapify(self._heap)
