"""What the RPC shows of the node."""

from collections import Counter
from random import Random
from types import SimpleNamespace
from typing import cast

from chain.primitives.hashing import blake2b_128
from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from cli.commands.network import health_text
from cli.services.facts import MAP_ALARMS, NetworkFacts, clock_alarm, health_figures, map_alarms
from net.core.effects import SurveyMap
from net.core.health.monitor import HealthMonitor, HealthStatistics
from net.core.health.survey import survey
from net.core.health.watch import AlarmKind
from net.core.map.view import MapLink, PeerFacts
from net.core.wire.record import Direction, Flags
from net.transport.driver import Driver
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


def test_alarms_of_the_map_are_told_in_words() -> None:
    """`mappemonde status` shows them: an operator need not know that `map` tells more."""
    assert map_alarms(None) == {}
    assert map_alarms(figures_of(3, complete(3))) == {}
    told = map_alarms(figures_of(40, two_cliques(20)))
    assert set(told) == {"single_point", "weak_cut"}
    assert told["weak_cut"] == "two large sides of the network hang together by few links: a partition may come"
    assert set(MAP_ALARMS) == {kind.value for kind in AlarmKind}


def test_a_clock_without_agreement_is_an_alarm_after_a_minute() -> None:
    """Until then a node is not on the map and does not mine, and has links all the same: nobody could tell why."""
    assert clock_alarm(agreed=True, waited=Millis(10**9)) == {}
    assert clock_alarm(agreed=False, waited=Millis(59_999)) == {}
    told = clock_alarm(agreed=False, waited=Millis(60_000))
    assert list(told) == ["clock_not_agreed"]
    assert "--bootstrap" in told["clock_not_agreed"]


def test_health_in_a_line() -> None:
    assert health_text({}) == "health: not measured yet"
    sick = health_text(dict(health_figures(figures_of(40, two_cliques(20)))))
    assert sick.startswith("health: 40 of 40 linked peers in reach, 1 piece, spectral gap 0.0")
    assert "weakest cut 1 links where chance gives" in sick
    assert sick.endswith("; ALARM single_point weak_cut")
    small = health_text(dict(health_figures(figures_of(3, complete(3)))))
    assert small.endswith("1.00 hops (least possible 1.00); no alarm")


class CountedView:
    """A map of ten thousand peers in a ring that counts what is asked of it; whole tables are not to be had."""

    PEERS = 10_000

    def __init__(self) -> None:
        self.peers = sorted(PeerId(blake2b_128(number.to_bytes(4, "big")) * 2) for number in range(self.PEERS))
        self.place = {peer: number for number, peer in enumerate(self.peers)}
        self.calls: Counter[str] = Counter()

    def __len__(self) -> int:
        return self.PEERS

    @property
    def confirmed_links(self) -> int:
        return self.PEERS

    def ids_after(self, after: PeerId | None, limit: int) -> list[PeerId]:
        self.calls["ids_after"] += 1
        start = 0 if after is None else self.place[after] + 1
        return self.peers[start : start + limit]

    def facts(self, peer: PeerId) -> PeerFacts:
        self.calls["facts"] += 1
        born = Millis(self.place[peer])
        return PeerFacts(born, born, 0, Flags.PUBLIC, 4, (0, 0, 0), 2, 1, 2, born, checked=True)

    def neighbours(self, peer: PeerId) -> list[MapLink]:
        self.calls["neighbours"] += 1
        at = self.place[peer]
        after, before = self.peers[(at + 1) % self.PEERS], self.peers[at - 1]
        return [MapLink(after, Direction.OUT, 3, confirmed=True), MapLink(before, Direction.IN, 3, confirmed=True)]


def test_a_page_of_a_large_map_costs_what_it_shows() -> None:
    view = CountedView()
    driver = cast("Driver", SimpleNamespace(view=lambda: view))
    facts = NetworkFacts(view.peers[0], driver, lambda _: None, lambda: None)
    assert facts.map_size() == (10_000, 10_000)
    assert not view.calls, "the size is known without a look at any peer"
    page = facts.map_nodes(view.peers[41], 100)
    assert [node.id for node in page] == view.peers[42:142]
    assert (page[0].born, page[0].reachability, page[0].degree) == (42, "public", 2)
    assert view.calls == {"ids_after": 1, "facts": 100}
    assert [link.target for node in page for link in facts.map_links(node.id)] == view.peers[43:143]
    assert view.calls == {"ids_after": 1, "facts": 100, "neighbours": 100}
    assert facts.map_nodes(view.peers[-1], 100) == []
