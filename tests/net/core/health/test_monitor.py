"""The monitor over time: when it asks, what it warns of, whom it would link."""

from random import Random

import pytest

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import Alarm, SurveyMap
from net.core.health.judge import judge
from net.core.health.monitor import SURVEY_EVERY, SURVEY_PER_PEER, HealthMonitor
from net.core.health.survey import survey
from net.core.health.watch import THRESHOLDS, AlarmKind
from tests.helpers.shapes import Edge, ShapeView, complete, make_shape, random_graph, star, two_cliques

OPERATOR = (7, 0, 0)


def peer(number: int) -> PeerId:
    return PeerId(number.to_bytes(32, "big"))


def hubs_between_two_cliques() -> tuple[list[Edge], dict[int, int]]:
    """Two halves of 15 that hang together by six peers of one operator."""
    edges = [*complete(15), *complete(15, 15), *[(hub, other) for hub in range(30, 36) for other in range(30)]]
    return edges, dict.fromkeys(range(30, 36), 7)


class Story:
    """A monitor whose surveys come back at once."""

    def __init__(self, count: int, edges: list[Edge], me: int = 0, operators: dict[int, int] | None = None) -> None:
        self.view = ShapeView(make_shape(count, edges, operators))
        self.monitor = HealthMonitor(peer(me), self.view, Random(1))
        self.now = Millis(0)
        self.monitor.start(self.now)
        self.asked = 0

    def change(self, count: int, edges: list[Edge]) -> None:
        self.view.show(make_shape(count, edges))

    def next(self) -> list[str]:
        """Let the monitor's next moment come; return the kinds of the alarms."""
        due = self.monitor.deadline()
        assert due is not None
        self.now = due
        kinds = []
        for effect in self.monitor.tick(self.now):
            if isinstance(effect, SurveyMap):
                self.asked += 1
                assert self.monitor.deadline() is None, "one at a time"
                kinds += [alarm.kind for alarm in self.monitor.surveyed(survey(effect.shape), self.now)]
            elif isinstance(effect, Alarm):
                kinds.append(effect.kind)
        return kinds


def test_healthy_networks_of_all_sizes_are_silent() -> None:
    for count in (1, 2, 3, 4, 5, 8, 13, 60, 200):
        edges = complete(count) if count <= 13 else random_graph(count, 12, count)
        story = Story(count, edges)
        assert [story.next() for _ in range(5)] == [[]] * 5
        assert not story.monitor.alarms()


def test_small_networks_are_silent_in_any_shape() -> None:
    for edges in ([(0, 1)], [(0, 1), (1, 2), (2, 3)], [(0, 1), (2, 3)], star(5)):
        story = Story(5, edges)
        assert [story.next() for _ in range(4)] == [[]] * 4


def test_the_interval_grows_with_the_network() -> None:
    for count in (10, 2_500):
        due = Story(count, [(0, 1)]).monitor.deadline()
        assert due is not None
        most = SURVEY_EVERY + SURVEY_PER_PEER * count
        assert 0.9 * most <= due <= most


def test_an_unchanged_map_is_not_measured_again() -> None:
    story = Story(20, complete(20))
    for _ in range(5):
        story.next()
    assert story.asked == 1
    story.change(20, complete(19))
    story.next()
    assert story.asked == 2


def test_a_weak_cut_alarms_once_soon_and_ends_when_mended() -> None:
    story = Story(40, random_graph(40, 12, 1))
    assert story.next() == []
    calm = story.monitor.deadline()
    assert calm is not None
    story.change(40, two_cliques(20))
    assert [story.next(), story.next(), story.next()] == [[], ["weak_cut", "single_point"], []]
    assert story.now - calm < SURVEY_EVERY * 2, "the second look comes early"
    assert AlarmKind.WEAK_CUT in story.monitor.alarms()
    story.change(40, random_graph(40, 12, 2))
    story.next()
    assert not story.monitor.alarms()


def test_the_links_wished_for_add_up_to_what_is_missing() -> None:
    edges = two_cliques(20, 2)
    wished = 0
    for me in range(40):
        story = Story(40, edges, me)
        story.monitor = HealthMonitor(peer(me), story.view, Random(me))
        story.monitor.start(story.now)
        story.next()
        assert story.monitor.take_mending() is None, "no wish before the alarm"
        story.next()
        mending = story.monitor.take_mending()
        if mending is not None:
            assert mending.peers == {peer(other) for other in range(40) if (other < 20) != (me < 20)}
            wished += mending.links
            assert story.monitor.take_mending() is None, "a wish is told once"
    missing = survey(make_shape(40, edges)).spectrum.cut
    assert missing is not None
    assert wished == pytest.approx(missing.expected / 2 - 2, abs=12)


def test_a_partition_and_the_lost_reach_are_seen_from_both_sides() -> None:
    for me in (0, 35):
        story = Story(40, random_graph(40, 12, 1), me)
        story.next()
        story.change(40, [*complete(30), *complete(10, 30)])
        kinds = story.next() + story.next()
        assert "partition_seen" in kinds
        assert ("map_shrank" in kinds) is True
        found = story.monitor.statistics()
        assert found is not None
        assert (found.components, found.linked, found.reached) == (2, 40, 30 if me == 0 else 10)


def test_orderly_departures_shrink_the_map_without_a_partition() -> None:
    story = Story(40, complete(40))
    story.next()
    story.change(40, complete(25))
    assert story.next() + story.next() == ["map_shrank"]
    for _ in range(130):  # over an hour later the smaller network is what there is
        story.next()
    assert not story.monitor.alarms()


def test_a_joiner_that_is_alone_does_not_alarm() -> None:
    story = Story(41, complete(40), me=40)
    assert [story.next() for _ in range(3)] == [[]] * 3


def test_a_domain_on_which_the_others_hang_alarms_before_it_vanishes() -> None:
    edges, operators = hubs_between_two_cliques()
    story = Story(36, edges, operators=operators)
    assert story.next() + story.next() == ["domain_fragile"]
    found = story.monitor.statistics()
    assert found is not None
    assert found.remains == {"operator_7": 0.5}
    assert found.alarms["domain_fragile"] == 1


def test_the_others_are_linked_before_a_domain_on_which_they_hang_vanishes() -> None:
    edges, operators = hubs_between_two_cliques()
    wished = 0
    for me in range(36):
        story = Story(36, edges, me, operators)
        story.monitor = HealthMonitor(peer(me), story.view, Random(me))
        story.monitor.start(story.now)
        assert story.next() + story.next() == ["domain_fragile"]
        mending = story.monitor.take_mending()
        assert story.monitor.weak
        if mending is not None:
            assert mending.peers == {peer(other) for other in range(30) if (other < 15) != (me < 15)}
            wished += mending.links
        assert (mending is None) or me < 30, "the domain itself need not act"
    across = survey(make_shape(36, edges, operators)).domains[0].cut
    assert across is not None
    assert across.links == 0
    assert across.expected == pytest.approx(150)
    assert wished == pytest.approx(75, abs=12)


def test_the_first_links_do_not_end_the_alarm_and_half_of_what_is_due_does() -> None:
    edges, operators = hubs_between_two_cliques()
    story = Story(36, edges, 0, operators)
    story.next()
    story.next()
    few = [*edges, *((number, number + 15) for number in range(5))]
    story.view.show(make_shape(36, few, operators))
    story.next()
    assert AlarmKind.DOMAIN_FRAGILE in story.monitor.alarms()
    assert story.monitor.take_mending() is not None
    enough = [*edges, *((number, (number + step) % 15 + 15) for number in range(15) for step in range(5))]
    story.view.show(make_shape(36, enough, operators))
    story.next()
    assert not story.monitor.alarms()
    assert not story.monitor.weak


def test_a_cut_that_is_weak_in_any_case_is_not_blamed_on_a_domain() -> None:
    story = Story(40, two_cliques(20, 2), operators=dict.fromkeys((1, 2, 3, 4, 21, 22, 23, 24), 7))
    kinds = story.next() + story.next()
    assert "weak_cut" in kinds
    assert "domain_fragile" not in kinds


def test_a_random_network_is_calm_without_any_half_of_its_peers() -> None:
    for seed in range(5):
        for count in (20, 60, 200):
            halved = dict.fromkeys(range(count // 2), 7)
            assert Story(count, random_graph(count, 12, seed), operators=halved).next() == []
            found = judge(survey(make_shape(count, random_graph(count, 12, seed), halved)), peer(0), [], count)
            fragile = found.get(AlarmKind.DOMAIN_FRAGILE)
            assert fragile is None or fragile.badness < THRESHOLDS[AlarmKind.DOMAIN_FRAGILE].clear_at


def test_the_peers_of_a_domain_that_holds_too_many_own_links_are_told_until_it_holds_fewer() -> None:
    crowd = dict.fromkeys(range(1, 8), 7)
    edges = random_graph(80, 12, 5)
    kept = [edge for edge in edges if 0 not in edge]
    story = Story(80, [*kept, *((0, other) for other in range(1, 9))], operators=crowd)
    assert story.next() == []
    assert not story.monitor.crowded
    assert story.next() == ["domain_concentration"]
    assert story.monitor.crowded == {peer(other) for other in range(1, 8)}
    story.view.show(make_shape(80, [*kept, *((0, other) for other in range(5, 14))], crowd))
    story.next()
    assert not story.monitor.crowded


def test_a_release_that_nearly_everyone_runs_is_no_alarm() -> None:
    others = [(60, number) for number in range(6)] + [(61, number) for number in range(6)]
    story = Story(62, [*random_graph(60, 12, 5), *others], operators=dict.fromkeys(range(60), 1))
    assert [story.next() for _ in range(3)] == [[]] * 3
    found = story.monitor.statistics()
    assert found is not None
    assert found.remains["operator_1"] == 0.5


def test_own_links_into_one_small_domain_alarm_and_a_common_release_does_not() -> None:
    edges = random_graph(60, 12, 5)
    found = survey(make_shape(60, edges, dict.fromkeys(range(6), 7)))
    most = judge(found, peer(0), [OPERATOR] * 5 + [(0, 0, 0)], 60)[AlarmKind.DOMAIN_CONCENTRATION]
    assert most.badness >= THRESHOLDS[AlarmKind.DOMAIN_CONCENTRATION].raise_at
    assert "5 of 6" in most.text
    some = judge(found, peer(0), [OPERATOR] * 2 + [(0, 0, 0)] * 4, 60)[AlarmKind.DOMAIN_CONCENTRATION]
    assert some.badness <= 0
    same = survey(make_shape(60, edges, dict.fromkeys(range(60), 7)))
    assert judge(same, peer(0), [OPERATOR] * 8, 60)[AlarmKind.DOMAIN_CONCENTRATION].badness <= 0


def test_a_stopped_monitor_asks_nothing() -> None:
    story = Story(20, complete(20))
    assert story.monitor.statistics() is None
    story.monitor.stop()
    assert story.monitor.deadline() is None
    assert story.monitor.tick(Millis(10**9)) == []
