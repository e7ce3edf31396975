"""Other chains' rules in the same world: exponential intervals under Bitcoin's, ASERT's and LWMA's difficulty.

Only what decides intervals is modelled: a block is found after an exponential time whose mean is difficulty over hash
rate. Units: intervals in ms, difficulty in hashes.
"""

from collections import deque
from collections.abc import Callable
from random import Random

BITCOIN_WINDOW = 2_016
ASERT_HALF_LIFE_BLOCKS = 288
"""aserti3-2d: two days of ten minutes, in blocks."""
LWMA_WINDOW = 144


def intervals(rule: str, rng: Random, *, block_time: float, rate: Callable[[int], float], blocks: int) -> list[float]:
    """Return the intervals, ms, of a chain under a rule (`bitcoin`, `asert`, `lwma`); `rate` gives hashes per ms."""
    difficulty = block_time * rate(0)
    start = difficulty
    elapsed, window_start = 0.0, 0.0
    recent: deque[tuple[float, float]] = deque(maxlen=LWMA_WINDOW)
    result: list[float] = []
    for number in range(blocks):
        interval = rng.expovariate(rate(number) / difficulty)
        result.append(interval)
        elapsed += interval
        recent.append((interval, difficulty))
        if rule == "bitcoin":
            if (number + 1) % BITCOIN_WINDOW == 0:
                took = min(max((elapsed - window_start) / (BITCOIN_WINDOW * block_time), 0.25), 4.0)
                difficulty, window_start = difficulty / took, elapsed
        elif rule == "asert":
            error = (elapsed - (number + 1) * block_time) / block_time
            difficulty = start * 2.0 ** (-error / ASERT_HALF_LIFE_BLOCKS)
        else:
            difficulty = _lwma(recent, block_time)
    return result


def _lwma(recent: deque[tuple[float, float]], block_time: float) -> float:
    """Linearly weighted moving average (zawy12): newer solve times weigh more, single ones at most six block times."""
    weighted = sum(weight * min(took, 6 * block_time) for weight, (took, _) in enumerate(recent, start=1))
    count = len(recent)
    mean = sum(hard for _, hard in recent) / count
    if count < LWMA_WINDOW:
        return mean
    return mean * block_time * count * (count + 1) / 2 / max(weighted, 1.0)
