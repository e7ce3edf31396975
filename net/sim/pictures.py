"""Pictures of a world as SVG: the map, distributions, curves over time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10, sqrt

from net.sim.measures import true_links
from net.sim.node import SimNode

WIDTH, HEIGHT, MARGIN = 640, 340, 56

TOP = 64
"""Where the drawing begins, pixels from above: title and legend stand over it."""

DRAWN_MAX = 400
"""Nodes beyond which a map of links is a black square."""

BARS_MAX = 48

TICKS = 6
"""Numbers beside an axis, about."""

_COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700")


@dataclass(frozen=True, slots=True)
class _Axes:
    """Which values lie where: left to right from `low` to `high`, upwards from `foot` to `top`."""

    low: float
    high: float
    foot: float
    top: float

    def x(self, value: float) -> float:
        return MARGIN + (value - self.low) / max(self.high - self.low, 1e-9) * (WIDTH - 2 * MARGIN)

    def y(self, value: float) -> float:
        return HEIGHT - MARGIN - (value - self.foot) / max(self.top - self.foot, 1e-9) * (HEIGHT - MARGIN - TOP)

    def frame(self, below: str, beside: str, *, whole: bool = False) -> str:
        """Return lines, round numbers and what the axes are; `whole`: numbers of things, upwards."""
        left, right, bottom = MARGIN, WIDTH - MARGIN, HEIGHT - MARGIN
        across, upwards = _ticks(self.low, self.high), _ticks(self.foot, self.top, least=1.0 if whole else 0.0)
        grid = "".join(f"M{left} {self.y(value):.1f}H{right}" for value in upwards)
        marks = "".join(f"M{self.x(value):.1f} {bottom}v4" for value in across)
        numbers = "".join(
            f'<text x="{self.x(value):.1f}" y="{bottom + 16}" text-anchor="middle">{value:g}</text>' for value in across
        ) + "".join(
            f'<text x="{left - 6}" y="{self.y(value) + 4:.1f}" text-anchor="end">{value:g}</text>' for value in upwards
        )
        return (
            f'<path d="{grid}" fill="none" stroke="#ddd"/>'
            f'<path d="M{left} {TOP}V{bottom}H{right}{marks}" fill="none" stroke="#888"/>{numbers}'
            f'<text x="{WIDTH / 2}" y="{bottom + 36}" text-anchor="middle">{escape(below)}</text>'
            f'<text transform="translate(14 {(TOP + bottom) / 2}) rotate(-90)" text-anchor="middle">{escape(beside)}'
            f"</text>"
        )


def _ticks(low: float, high: float, *, least: float = 0.0) -> list[float]:
    """Return round numbers from `low` to `high`, at least `least` apart."""
    step = max(_round_step((high - low) / TICKS), least)
    first, last = ceil(low / step - 1e-6), floor(high / step + 1e-6)
    return [round(number * step, 9) for number in range(first, last + 1)]


def _round_step(rough: float) -> float:
    """Return the next of 1, 2, 5, 10, 20, ... (or 0.5, 0.2, ...) from a number on."""
    power = 10.0 ** floor(log10(max(rough, 1e-9)))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough * (1 - 1e-9))


def _page(body: str, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="11">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
        f'<text x="{MARGIN}" y="22" font-size="14">{escape(title)}</text>{body}</svg>\n'
    )


def curves_svg(curves: Mapping[str, Sequence[tuple[float, float]]], title: str, below: str, beside: str) -> str:
    """Return lines over a common axis, each named in its colour; `below` and `beside` name the axes.

    The axis begins at zero unless all values lie in its upper half: then where they differ would not be seen.
    """
    points = [point for curve in curves.values() for point in curve]
    low, high = min(x for x, _ in points), max(x for x, _ in points)
    top, least = max(1e-9, *(y for _, y in points)), min(y for _, y in points)
    foot = 0.0 if least < top / 2 else round(min(2 * least - top, 0.99 * top), 3)
    axes = _Axes(low, high, foot, top)
    body = axes.frame(below, beside)
    for number, (name, curve) in enumerate(curves.items()):
        colour, at = _COLOURS[number % len(_COLOURS)], MARGIN + number * (WIDTH - 2 * MARGIN) / len(curves)
        path = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in curve)
        dashes = ' stroke-dasharray="5 3"' if number else ""  # a curve under another shows between them
        line = f'fill="none" stroke="{colour}" stroke-width="1.5"{dashes}'
        body += f'<g {line}><polyline points="{path}"/><path d="M{at:.1f} 42h24"/></g>'
        body += f'<text x="{at + 30:.1f}" y="46" fill="{colour}">{escape(name)}</text>'
    return _page(body, title)


def histogram_svg(values: Sequence[float], title: str, below: str) -> str:
    """Return bars of how many nodes have a value: one a number for few whole ones, else of equal round parts."""
    low, high = min(values), max(values)
    if all(value == int(value) for value in values) and high - low < BARS_MAX:
        step, first = 1.0, low - 0.5  # a bar stands over its number
    else:
        step = _round_step((high - low) / min(BARS_MAX, 2 * sqrt(len(values))))
        first = floor(low / step) * step
    bars = [0] * (int((high - first) / step) + 1)
    for value in values:
        bars[int((value - first) / step)] += 1
    axes = _Axes(first, first + step * len(bars), 0.0, max(bars))
    body = axes.frame(below, "peers", whole=True)
    for at, bar in enumerate(bars):
        left, right = axes.x(first + at * step), axes.x(first + (at + 1) * step)
        body += (
            f'<rect x="{left + 0.5:.1f}" y="{axes.y(bar):.1f}" width="{max(right - left - 1, 1):.1f}" '
            f'height="{axes.y(0) - axes.y(bar):.1f}" fill="{_COLOURS[0]}"/>'
        )
    return _page(body, title)


def map_svg(nodes: Sequence[SimNode], title: str) -> str | None:
    """Return running nodes where they stand on the Earth with their links; None for more than DRAWN_MAX."""
    running = [node for node in nodes if node.running]
    if len(running) > DRAWN_MAX:
        return None
    axes = _Axes(-140.0, 160.0, -40.0, 80.0)
    at = {node.peer: (axes.x(node.place.longitude), axes.y(node.place.latitude)) for node in running}
    links = sorted(true_links(nodes))
    lines = "".join(
        f'<path d="M{at[left][0]:.1f} {at[left][1]:.1f}L{at[right][0]:.1f} {at[right][1]:.1f}"/>'
        for left, right in links
    )
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2"/>' for x, y in at.values())
    body = (
        f"{axes.frame('degrees of longitude, east of Greenwich', 'degrees of latitude, north')}"
        f'<g stroke="{_COLOURS[0]}" stroke-opacity="0.15">{lines}</g><g fill="{_COLOURS[1]}">{dots}</g>'
        f'<circle cx="{MARGIN + 4}" cy="42" r="3" fill="{_COLOURS[1]}"/><text x="{MARGIN + 14}" y="46">peer</text>'
        f'<path d="M{MARGIN + 60} 42h24" stroke="{_COLOURS[0]}"/><text x="{MARGIN + 90}" y="46">link</text>'
    )
    return _page(body, f"{title}, {len(links)} links")
