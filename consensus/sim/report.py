"""Results of scenarios: rows for people, JSON for machines, histograms as SVG."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from chain.primitives.svg import Curve, curves_svg

Cell = str | int | float
"""One value of a row."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a scenario's table."""

    what: str
    values: Mapping[str, Cell]


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
        return curves_svg(self.scenario, self.curves, self.axes) if self.curves else ""


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
