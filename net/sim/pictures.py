"""Pictures of a world as SVG: the map, distributions, curves over time."""

from collections.abc import Mapping, Sequence
from math import floor, sqrt

from chain.primitives import svg
from chain.primitives.svg import COLOURS, Axes, Curve, legend_at, page, round_step
from net.sim.measures import true_links
from net.sim.node import SimNode

DRAWN_MAX = 400
"""Nodes beyond which a map of links is a black square."""

BARS_MAX = 48


def curves_svg(curves: Mapping[str, Sequence[tuple[float, float]]], title: str, below: str, beside: str) -> str:
    """Return lines over a common axis by their names; `below` and `beside` name the axes.

    The axis begins at zero unless all values lie in its upper half: then where they differ would not be seen.
    """
    values = [value for curve in curves.values() for _, value in curve]
    top, least = max(values), min(values)
    foot = 0.0 if least < top / 2 else round(min(2 * least - top, 0.99 * top), 3)
    return svg.curves_svg(title, [Curve(*one) for one in curves.items()], (below, beside), foot=foot)


def histogram_svg(values: Sequence[float], title: str, below: str) -> str:
    """Return bars of how many nodes have a value: one a number for few whole ones, else of equal round parts."""
    low, high = min(values), max(values)
    if all(value == int(value) for value in values) and high - low < BARS_MAX:
        step, first = 1.0, low - 0.5  # a bar stands over its number
    else:
        step = round_step((high - low) / min(BARS_MAX, 2 * sqrt(len(values))))
        first = floor(low / step) * step
    bars = [0] * (int((high - first) / step) + 1)
    for value in values:
        bars[int((value - first) / step)] += 1
    axes = Axes(first, first + step * len(bars), 0.0, max(bars))
    body = axes.frame(below, "peers", whole=True)
    for at, bar in enumerate(bars):
        left, right = axes.x(first + at * step), axes.x(first + (at + 1) * step)
        body += (
            f'<rect x="{left + 0.5:.1f}" y="{axes.y(bar):.1f}" width="{max(right - left - 1, 1):.1f}" '
            f'height="{axes.y(0) - axes.y(bar):.1f}" fill="{COLOURS[0]}"/>'
        )
    return page(body, title)


def map_svg(nodes: Sequence[SimNode], title: str) -> str | None:
    """Return running nodes where they stand on the Earth with their links; None for more than DRAWN_MAX."""
    running = [node for node in nodes if node.running]
    if len(running) > DRAWN_MAX:
        return None
    axes = Axes(-140.0, 160.0, -40.0, 80.0, rows=1)
    at = {node.peer: (axes.x(node.place.longitude), axes.y(node.place.latitude)) for node in running}
    links = sorted(true_links(nodes))
    lines = "".join(
        f'<path d="M{at[left][0]:.1f} {at[left][1]:.1f}L{at[right][0]:.1f} {at[right][1]:.1f}"/>'
        for left, right in links
    )
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2"/>' for x, y in at.values())
    left, height = legend_at(0)
    body = (
        f"{axes.frame('longitude, degrees east', 'latitude, degrees north')}"
        f'<g stroke="{COLOURS[0]}" stroke-opacity="0.15">{lines}</g><g fill="{COLOURS[1]}">{dots}</g>'
        f'<circle cx="{left + 4}" cy="{height}" r="3" fill="{COLOURS[1]}"/>'
        f'<text x="{left + 14}" y="{height + 4}">peer</text>'
        f'<path d="M{left + 60} {height}h24" stroke="{COLOURS[0]}"/><text x="{left + 90}" y="{height + 4}">link</text>'
    )
    return page(body, f"{title}, {len(links)} links")
