"""Curves as SVG: the one way in which simulators of chain and network draw what they measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

_COLOURS = ("#1b6ca8", "#d1495b", "#66a182", "#edae49", "#5d4a66")


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a picture."""

    name: str
    points: Sequence[tuple[float, float]]


def curves_svg(title: str, curves: Sequence[Curve], axes: tuple[str, str]) -> str:
    """Return the curves in one picture, zero at its foot; `axes` says what lies across and upwards. Needs a point."""
    width, height, margin = 720, 400, 56
    xs = [x for curve in curves for x, _ in curve.points]
    ys = [y for curve in curves for _, y in curve.points]
    left, right, top = min(xs), max(xs), max(ys) or 1.0

    def place(x: float, y: float) -> str:
        across = margin + (x - left) / ((right - left) or 1.0) * (width - 2 * margin)
        return f"{across:.1f},{height - margin - y / top * (height - 2 * margin):.1f}"

    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}"'
    parts = [
        f'{head} font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{width / 2}" y="20" text-anchor="middle" font-size="15">{escape(title)}</text>',
        f'<text x="{width / 2}" y="{height - 12}" text-anchor="middle">{escape(axes[0])}</text>',
        f'<text x="14" y="{height / 2}" text-anchor="middle" transform="rotate(-90 14 {height / 2})">'
        f"{escape(axes[1])}</text>",
    ]
    for step in range(6):
        x, y = left + (right - left) * step / 5, top * step / 5
        at_x, at_y = place(x, 0).split(","), place(left, y).split(",")
        parts.append(f'<text x="{at_x[0]}" y="{height - margin + 16}" text-anchor="middle">{x:.4g}</text>')
        parts.append(f'<text x="{margin - 6}" y="{at_y[1]}" text-anchor="end">{y:.3g}</text>')
        parts.append(f'<path d="M{margin} {at_y[1]}H{width - margin}" stroke="#ddd"/>')
    for number, curve in enumerate(curves):
        colour = _COLOURS[number % len(_COLOURS)]
        line = " ".join(place(x, y) for x, y in curve.points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.6"/>')
        parts.append(
            f'<text x="{width - margin - 150}" y="{44 + 16 * number}" fill="{colour}">{escape(curve.name)}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"
