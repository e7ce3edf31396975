"""Pictures as SVG, all alike: axes with round numbers and names, and curves over them.

The one way in which simulators of chain and network draw what they measured.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

WIDTH, HEIGHT, MARGIN = 640, 340, 56

TICKS = 6
"""Numbers beside an axis, about."""

COLOURS = ("#1f6feb", "#d1242f", "#1a7f37", "#9a6700", "#5d4a66")

_HEAD = 36
"""Room for the title, pixels."""

_ROW = 16
"""Height of a row of the legend, pixels."""

_COLUMNS = 2


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a picture."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Axes:
    """Which values lie where: left to right from `low` to `high`, upwards from `foot` to `top`."""

    low: float
    high: float
    foot: float
    top: float
    rows: int = 0
    """Rows of the legend, under the title."""

    def x(self, value: float) -> float:
        """Return where a value lies, pixels from the left."""
        return MARGIN + (value - self.low) / ((self.high - self.low) or 1.0) * (WIDTH - 2 * MARGIN)

    def y(self, value: float) -> float:
        """Return where a value lies, pixels from above."""
        room = HEIGHT - MARGIN - self._above()
        return HEIGHT - MARGIN - (value - self.foot) / ((self.top - self.foot) or 1.0) * room

    def _above(self) -> int:
        return _HEAD + _ROW * self.rows + 12

    def frame(self, below: str, beside: str, *, whole: bool = False) -> str:
        """Return lines, round numbers and what the axes are; `whole`: numbers of things, upwards."""
        left, right, bottom, above = MARGIN, WIDTH - MARGIN, HEIGHT - MARGIN, self._above()
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
            f'<path d="M{left} {above}V{bottom}H{right}{marks}" fill="none" stroke="#888"/>{numbers}'
            f'<text x="{WIDTH / 2}" y="{bottom + 36}" text-anchor="middle">{escape(below)}</text>'
            f'<text transform="translate(12 {(above + bottom) / 2}) rotate(-90)" text-anchor="middle">'
            f"{escape(beside)}</text>"
        )


def legend_at(number: int) -> tuple[float, int]:
    """Return where the middle of a legend's entry begins, in rows of two."""
    return MARGIN + number % _COLUMNS * (WIDTH - 2 * MARGIN) / _COLUMNS, _HEAD + 6 + number // _COLUMNS * _ROW


def page(body: str, title: str) -> str:
    """Return a whole picture."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="11">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
        f'<text x="{MARGIN}" y="22" font-size="14">{escape(title)}</text>{body}</svg>\n'
    )


def curves_svg(title: str, curves: Sequence[Curve], axes: tuple[str, str], *, foot: float = 0.0) -> str:
    """Return the curves in one picture, each named in its colour, with `foot` at the bottom; `axes` says what lies
    across and upwards. Needs a point."""
    xs = [x for curve in curves for x, _ in curve.points]
    top = max(y for curve in curves for _, y in curve.points)
    frame = Axes(min(xs), max(xs), foot, top if top > foot else foot + 1.0, rows=-(-len(curves) // _COLUMNS))
    body = frame.frame(*axes)
    for number, curve in enumerate(curves):
        colour, (at, height) = COLOURS[number % len(COLOURS)], legend_at(number)
        path = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in curve.points)
        dashes = ' stroke-dasharray="5 3"' if number % 2 else ""  # a curve under another shows between them
        body += (
            f'<g fill="none" stroke="{colour}" stroke-width="1.5"{dashes}><polyline points="{path}"/>'
            f'<path d="M{at:.1f} {height}h24"/></g>'
            f'<text x="{at + 30:.1f}" y="{height + 4}" fill="{colour}">{escape(curve.name)}</text>'
        )
    return page(body, title)


def _ticks(low: float, high: float, *, least: float = 0.0) -> list[float]:
    """Return round numbers from `low` to `high`, at least `least` apart."""
    step = max(round_step((high - low) / TICKS), least)
    first, last = ceil(low / step - 1e-6), floor(high / step + 1e-6)
    return [round(number * step, 9) for number in range(first, last + 1)]


def round_step(rough: float) -> float:
    """Return the first of 1, 2, 5, 10, 20, ... (or 0.5, 0.2, ...) from a number on."""
    power = 10.0 ** floor(log10(max(rough, 1e-9)))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= rough * (1 - 1e-9))
