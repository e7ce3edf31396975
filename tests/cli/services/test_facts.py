"""What the RPC shows of the node."""

from random import Random

from chain.primitives.units import Millis
from cli.commands.network import health_text
from cli.services.facts import health_figures
from net.core.effects import SurveyMap
from net.core.health.monitor import HealthMonitor, HealthStatistics
from net.core.health.survey import survey
from tests.helpers.shapes import Edge, ShapeView, complete, make_shape, two_cliques


def figures_of(count: int, edges: list[Edge], operators: dict[int, int] | None = None) -> HealthStatistics:
    shape = make_shape(count, edges, operators)
    monitor = HealthMonitor(shape.peer(0), ShapeView(shape), Random(1))
    monitor.start(Millis(0))
    for _ in range(2):
        due = monitor.deadline()
        assert due is not None
        for effect in monitor.tick(due):
            if isinstance(effect, SurveyMap):
                monitor.surveyed(survey(effect.shape), due)
    found = monitor.statistics()
    assert found is not None
    return found


def test_health_is_told_by_names() -> None:
    figures = health_figures(figures_of(40, two_cliques(20), dict.fromkeys(range(1, 9), 3)))
    assert (figures["components"], figures["linked"], figures["cutLinks"]) == (1, 40, 1)
    assert figures["domains.operator_3"] == 0.2
    assert figures["remains.operator_3"] == 1.0
    assert (figures["alarms.weak_cut"], figures["alarms.partition_seen"]) == (1, 0)
    assert figures["alarm"] == "single_point weak_cut"


def test_health_in_a_line() -> None:
    assert health_text({}) == "health: not measured yet"
    sick = health_text(dict(health_figures(figures_of(40, two_cliques(20)))))
    assert sick.startswith("health: 40 of 40 linked peers in reach, 1 piece, spectral gap 0.0")
    assert "weakest cut 1 links where chance gives" in sick
    assert sick.endswith("; ALARM single_point weak_cut")
    small = health_text(dict(health_figures(figures_of(3, complete(3)))))
    assert small.endswith("1.00 hops (least possible 1.00); no alarm")
