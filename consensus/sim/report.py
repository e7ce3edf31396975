"""Results of scenarios: rows for people, JSON for machines, histograms as SVG."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Cell = str | int | float
"""One value of a row."""

_COLOURS = ("#1b6ca8", "#d1495b", "#66a182", "#edae49", "#5d4a66")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a scenario's table."""

    what: str
    values: Mapping[str, Cell]


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of a picture."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Result:
    """What `run_scenario` returns."""

    scenario: str
    seed: int
    blocks: int
    """Blocks or trials asked for."""
    rows: tuple[Row, ...]
    curves: tuple[Curve, ...] = ()
    axes: tuple[str, str] = ("", "")
    """What the picture's axes mean."""
    notes: tuple[str, ...] = field(default=())

    def to_json(self) -> str:
        """Return everything as JSON."""
        curves = [{"name": curve.name, "points": [list(point) for point in curve.points]} for curve in self.curves]
        document = {
            "scenario": self.scenario,
            "seed": self.seed,
            "blocks": self.blocks,
            "rows": [{"what": row.what, **row.values} for row in self.rows],
            "curves": curves,
            "axes": list(self.axes),
            "notes": list(self.notes),
        }
        return json.dumps(document, indent=1)

    def table(self) -> str:
        """Return the rows as a Markdown table; one block per set of columns."""
        lines: list[str] = []
        columns: tuple[str, ...] | None = None
        for row in self.rows:
            if tuple(row.values) != columns:
                columns = tuple(row.values)
                lines += ["", "| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
            lines.append(f"| {row.what} | " + " | ".join(_text(value) for value in row.values.values()) + " |")
        return "\n".join(lines[1:] + [f"\n{note}" for note in self.notes])

    def svg(self) -> str:
        """Return the curves as a picture; empty without curves."""
        return _svg(self.scenario, self.curves, self.axes) if self.curves else ""


def _text(value: Cell) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def spread(intervals_ms: Sequence[float]) -> dict[str, Cell]:
    """Return mean, standard deviation, share in 1 to 4 minutes and extremes of intervals, in seconds."""
    ordered = sorted(value / 1000 for value in intervals_ms)
    count = len(ordered)
    mean = sum(ordered) / count
    deviation = (sum((value - mean) ** 2 for value in ordered) / count) ** 0.5
    inside = sum(60 <= value <= 240 for value in ordered) / count
    return {
        "mean s": round(mean, 2),
        "sd s": round(deviation, 2),
        "in 60..240 s": f"{100 * inside:.2f} %",
        "p0.1 s": round(ordered[count // 1000], 1),
        "p99.9 s": round(ordered[min(count - 1, count * 999 // 1000)], 1),
        "min s": round(ordered[0], 1),
        "max s": round(ordered[-1], 1),
    }


def histogram(name: str, intervals_ms: Sequence[float], *, width_s: float = 4.0, upto_s: float = 360.0) -> Curve:
    """Return the density of intervals, per second."""
    cells = [0] * round(upto_s / width_s)
    for value in intervals_ms:
        index = int(value / 1000 / width_s)
        if index < len(cells):
            cells[index] += 1
    scale = 1 / (len(intervals_ms) * width_s)
    return Curve(name, tuple(((index + 0.5) * width_s, cell * scale) for index, cell in enumerate(cells)))


def _svg(title: str, curves: Sequence[Curve], axes: tuple[str, str]) -> str:
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
        f'<text x="{width / 2}" y="20" text-anchor="middle" font-size="15">{title}</text>',
        f'<text x="{width / 2}" y="{height - 12}" text-anchor="middle">{axes[0]}</text>',
        f'<text x="14" y="{height / 2}" text-anchor="middle" transform="rotate(-90 14 {height / 2})">{axes[1]}</text>',
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
        parts.append(f'<text x="{width - margin - 150}" y="{44 + 16 * number}" fill="{colour}">{curve.name}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
