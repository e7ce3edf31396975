from chain.primitives.units import Millis
from consensus.rate import RATE_WINDOW, RateMeter


def test_the_rate_is_the_mean_over_the_window() -> None:
    meter = RateMeter()
    assert (meter.rate(), meter.total) == (0.0, 0)
    meter.sample(10, Millis(0))
    assert meter.rate() == 0.0
    meter.sample(30, Millis(2_000))
    assert (meter.rate(), meter.total) == (10.0, 30)
    for second in range(4, 200, 2):
        meter.sample(30 + 5 * second, Millis(1_000 * second))
    assert meter.rate() == 5.0
    meter.sample(30 + 5 * 198, Millis(198_000 + RATE_WINDOW))
    assert meter.rate() < 1
