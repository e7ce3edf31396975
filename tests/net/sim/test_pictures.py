"""Pictures of worlds: whoever never saw the project can read their axes."""

from xml.etree import ElementTree

import pytest

from net.sim.node import SimNode
from net.sim.pictures import curves_svg, histogram_svg, map_svg
from net.sim.scenarios.growth import build
from net.sim.world import World

SPACE = "{http://www.w3.org/2000/svg}"


def _texts(svg: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(svg).iter(f"{SPACE}text")]


def _bars(svg: str) -> list[float]:
    """Return the heights of all bars, the page's white background left out."""
    return [float(node.get("height", "0")) for node in ElementTree.fromstring(svg).iter(f"{SPACE}rect")][1:]


def test_axes_carry_round_numbers_and_names() -> None:
    curves = {"a < b & c": [(3.0, 0.0), (33.0, 0.93)]}
    texts = _texts(curves_svg(curves, "one & two", "seconds", "share"))
    assert {"one & two", "seconds", "share", "a < b & c"} <= set(texts)
    assert {"5", "10", "15", "20", "25", "30", "0", "0.2", "0.4", "0.6", "0.8"} <= set(texts)
    assert "3" not in texts, "only the ends had numbers"


def test_a_bar_stands_over_its_number() -> None:
    svg = histogram_svg([12, 12, 13, 15], "links", "links of a peer")
    heights = _bars(svg)
    assert len(heights) == 4
    assert heights[0] == 2 * heights[1] == 2 * heights[3] > heights[2] == 0
    assert {"12", "13", "14", "15", "peers", "links of a peer"} <= set(_texts(svg))


def test_many_values_share_bars_of_a_round_width() -> None:
    svg = histogram_svg([number * 2.67 for number in range(100)], "delays", "ms")
    heights = _bars(svg)
    assert len(heights) == 14, "of 20 ms each"
    assert {"0", "50", "100", "150", "200", "250", "ms"} <= set(_texts(svg))


@pytest.mark.parametrize("values", [[5], [0], [5, 5], [0, 100_000], [1.5]])
def test_few_values_make_a_picture_too(values: list[float]) -> None:
    assert max(_bars(histogram_svg(values, "few", "x"))) > 200


def test_a_flat_curve_of_one_point_is_no_division_by_zero() -> None:
    for value in (0.0, 1.0):
        assert "<polyline" in curves_svg({"point": [(5.0, value)]}, "flat", "x", "y")


def test_a_map_says_what_its_dots_and_lines_are() -> None:
    world = World(1)
    nodes: list[SimNode] = build(world, 2, join_every=1)
    world.run_for(5_000)
    picture = map_svg(nodes, "two")
    assert picture is not None
    assert {"two, 1 links", "peer", "link", "0", "60"} <= set(_texts(picture))
