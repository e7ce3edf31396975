"""Pictures of a world as SVG: the map, distributions, curves over time."""

from collections.abc import Mapping, Sequence

from net.sim.measures import true_links
from net.sim.node import SimNode

WIDTH, HEIGHT, MARGIN = 640, 320, 48

DRAWN_MAX = 400
"""Nodes beyond which a map of links is a black square."""

BARS_MAX = 48

_COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700")


def _page(body: str, title: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="11">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
        f'<text x="{MARGIN}" y="20" font-size="13">{title}</text>{body}</svg>\n'
    )


def _frame(low: float, high: float, top: float, below: str, beside: str, *, foot: float = 0.0) -> str:
    bottom = HEIGHT - MARGIN
    return (
        f'<path d="M{MARGIN} {MARGIN}V{bottom}H{WIDTH - MARGIN}" fill="none" stroke="#888"/>'
        f'<text x="{MARGIN}" y="{bottom + 16}">{low:g}</text>'
        f'<text x="{WIDTH - MARGIN}" y="{bottom + 16}" text-anchor="end">{high:g}</text>'
        f'<text x="{WIDTH / 2}" y="{bottom + 32}" text-anchor="middle">{below}</text>'
        f'<text x="{MARGIN - 4}" y="{MARGIN}" text-anchor="end">{top:g}</text>'
        f'<text x="{MARGIN - 4}" y="{bottom}" text-anchor="end">{foot:g}</text>'
        f'<text x="{MARGIN}" y="{MARGIN - 8}">{beside}</text>'
    )


def curves_svg(curves: Mapping[str, Sequence[tuple[float, float]]], title: str, below: str, beside: str) -> str:
    """Return lines over a common axis, each named in its colour; `below` and `beside` name the axes.

    The axis begins at zero unless all values lie in its upper half: then where they differ would not be seen.
    """
    points = [point for curve in curves.values() for point in curve]
    low, high = min(x for x, _ in points), max(x for x, _ in points)
    top, least = max(1e-9, *(y for _, y in points)), min(y for _, y in points)
    foot = 0.0 if least < top / 2 else round(min(2 * least - top, 0.99 * top), 3)
    wide, tall = (WIDTH - 2 * MARGIN) / max(high - low, 1e-9), (HEIGHT - 2 * MARGIN) / (top - foot)
    body = _frame(low, high, top, below, beside, foot=foot)
    for number, (name, curve) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        path = " ".join(f"{MARGIN + (x - low) * wide:.1f},{HEIGHT - MARGIN - (y - foot) * tall:.1f}" for x, y in curve)
        dashes = ' stroke-dasharray="5 3"' if number else ""  # a curve under another shows between them
        body += f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"{dashes}/>'
        body += f'<text x="{WIDTH - MARGIN}" y="{20 + 14 * number}" text-anchor="end" fill="{colour}">{name}</text>'
    return _page(body, title)


def histogram_svg(values: Sequence[float], title: str, below: str) -> str:
    """Return bars of how often values lie in up to BARS_MAX equal parts of their range."""
    low, high = min(values), max(values)
    whole = all(value == int(value) for value in values) and high - low < BARS_MAX
    count = int(high - low) + 1 if whole else min(BARS_MAX, max(len(set(values)), 1))
    step = 1.0 if whole else max((high - low) / count, 1e-9)
    bars = [0] * count
    for value in values:
        bars[min(int((value - low) / step), count - 1)] += 1
    wide, tall = (WIDTH - 2 * MARGIN) / count, (HEIGHT - 2 * MARGIN) / max(bars)
    body = _frame(low, high, max(bars), below, "nodes")
    for at, bar in enumerate(bars):
        body += (
            f'<rect x="{MARGIN + at * wide:.1f}" y="{HEIGHT - MARGIN - bar * tall:.1f}" width="{max(wide - 1, 1):.1f}" '
            f'height="{bar * tall:.1f}" fill="{_COLOURS[0]}"/>'
        )
    return _page(body, title)


def map_svg(nodes: Sequence[SimNode], title: str) -> str | None:
    """Return running nodes where they stand on the Earth with their links; None for more than DRAWN_MAX."""
    running = [node for node in nodes if node.running]
    if len(running) > DRAWN_MAX:
        return None
    wide, tall = (WIDTH - 2 * MARGIN) / 360, (HEIGHT - 2 * MARGIN) / 140
    at = {
        node.peer: (MARGIN + (node.place.longitude + 180) * wide, MARGIN + (80 - node.place.latitude) * tall)
        for node in running
    }
    lines = "".join(
        f'<path d="M{at[left][0]:.1f} {at[left][1]:.1f}L{at[right][0]:.1f} {at[right][1]:.1f}"/>'
        for left, right in sorted(true_links(nodes))
    )
    dots = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2"/>' for x, y in at.values())
    body = f'<g stroke="{_COLOURS[0]}" stroke-opacity="0.15">{lines}</g><g fill="{_COLOURS[1]}">{dots}</g>'
    return _page(body, title)
