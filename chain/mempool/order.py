"""In which order pending transactions are offered, and what the best of them pay."""

import heapq
from collections.abc import Iterable, Iterator

from chain.mempool.sender_queue import Entry, effective_tip
from chain.mempool.statistics import FeeStatistics
from chain.primitives.units import Gas, Wei
from chain.transaction import SignedTransaction

ADVISED_BLOCKS = 5
"""How many coming blocks fee statistics look at: ten minutes, the longest a wallet's user is ready to wait."""


def best_first(pending: Iterable[list[Entry]], base_fee: Wei) -> Iterator[SignedTransaction]:
    """Yield transactions by tip per gas, highest first, each sender's in the order of nonces; ties by arrival.

    `pending` has one list of consecutive nonces per sender. A sender's list ends where a fee cap is below `base_fee`.
    """
    heap = [
        (-tip, entries[0].number, 0, entries)
        for entries in pending
        if entries and (tip := effective_tip(entries[0].tx, base_fee)) >= 0
    ]
    heapq.heapify(heap)
    while heap:
        _, _, index, entries = heap[0]
        yield entries[index].signed
        index += 1
        if index < len(entries) and (tip := effective_tip(entries[index].tx, base_fee)) >= 0:
            heapq.heapreplace(heap, (-tip, entries[index].number, index, entries))
        else:
            heapq.heappop(heap)


def fee_statistics(pending: Iterable[list[Entry]], base_fee: Wei, block_gas: Gas) -> FeeStatistics:
    """Return what fills the coming blocks at a base fee."""
    tips: list[Wei] = []
    count, gas, lowest, full_at = 0, 0, 0, int(block_gas)
    for signed in best_first(pending, base_fee):
        tip = effective_tip(signed.tx, base_fee)
        lowest = tip if gas == 0 or not count else min(lowest, tip)
        count += 1
        gas += signed.tx.gas_limit
        while gas >= full_at and len(tips) < ADVISED_BLOCKS:
            tips.append(Wei(lowest))
            full_at += block_gas
    tips += [Wei(0)] * (ADVISED_BLOCKS - len(tips))
    return FeeStatistics(base_fee=base_fee, pending=count, pending_gas=Gas(gas), tips=tuple(tips))
