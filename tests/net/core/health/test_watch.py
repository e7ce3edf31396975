"""Hysteresis."""

from net.core.health.watch import THRESHOLDS, AlarmKind, Phase, Threshold, Watch


def test_an_alarm_needs_two_surveys_and_ends_below_the_lower_number() -> None:
    watch = Watch(Threshold(0.5, 0.3))
    story = [(0.6, Phase.SUSPECT), (0.4, Phase.CALM), (0.5, Phase.SUSPECT), (0.9, Phase.ALARM), (0.9, Phase.ALARM)]
    story += [(0.4, Phase.ALARM), (0.2, Phase.CALM), (0.4, Phase.CALM), (0.6, Phase.SUSPECT), (0.6, Phase.ALARM)]
    news = []
    for badness, phase in story:
        news.append(watch.observe(badness))
        assert watch.phase is phase
    assert [at for at, new in enumerate(news) if new] == [3, 9]


def test_every_kind_has_a_threshold_with_room_between() -> None:
    assert set(THRESHOLDS) == set(AlarmKind)
    assert all(0 < threshold.clear_at < threshold.raise_at for threshold in THRESHOLDS.values())
