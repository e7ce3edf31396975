"""What a story tells at its end: numbers for people and programs, and pictures."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from net.sim.pictures import curves_svg, histogram_svg
from net.sim.scenarios.numbers import NUMBERS, Number

Numbers = dict[str, float | int | str | None]
"""By the names of `net.sim.scenarios.numbers`; None is what did not come about."""

_CURVES = {
    "precision": "precision: mapped links that exist",
    "recall": "recall: existing links that are mapped",
}


@dataclass(slots=True)
class Outcome:
    """A story's end: numbers by name, and what is drawn. Filled by the story alone."""

    scenario: str
    peers: int
    """At the beginning, or once all have joined."""
    seed: int
    numbers: Numbers = field(default_factory=dict)
    since: str = "the beginning"
    """What happened at second 0 of the curves."""
    curves: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    """Over virtual seconds."""
    degrees: list[int] = field(default_factory=list)
    delays: list[int] = field(default_factory=list)
    """Of a message, in ms."""
    map: str | None = None
    """SVG, if the network is small."""

    def table(self) -> str:
        """Return the numbers, one a line."""
        lines = [("scenario", self.scenario), ("peers", f"{self.peers:,}"), ("seed", str(self.seed))]
        for name, value in self.numbers.items():
            number = NUMBERS.get(name, Number(name))
            lines.append((number.label, number.show(value)))
        return "\n".join(f"{label:<34} {shown}" for label, shown in lines)

    def to_json(self) -> str:
        """Return everything but the pictures."""
        told = {"scenario": self.scenario, "peers": self.peers, "seed": self.seed, **self.numbers}
        return json.dumps({**told, "curves": self.curves, "degrees": self.degrees, "delays": self.delays}, indent=1)

    def draw(self, folder: Path) -> list[Path]:
        """Write the pictures there is matter for, and the JSON; return what was written."""
        folder.mkdir(parents=True, exist_ok=True)
        pictures: dict[str, str | None] = {"map": self.map}
        title = f"{self.scenario}, {self.peers} peers"
        if any(len(curve) > 1 for curve in self.curves.values()):  # a line needs two points
            curves = {_CURVES.get(name, name): curve for name, curve in self.curves.items()}
            below = f"virtual seconds since {self.since}"
            pictures["convergence"] = curves_svg(curves, f"{title}: how true their maps are", below, "share of links")
        if self.degrees:
            head = f"{title}: how many links they have at the end"
            pictures["degrees"] = histogram_svg(self.degrees, head, "links of a peer")
        if self.delays:
            head = f"{title}: how long a message took to reach them"
            pictures["delays"] = histogram_svg(self.delays, head, "virtual ms since it was published")
        made = {folder / f"{self.scenario}-{name}.svg": text for name, text in pictures.items() if text is not None}
        made[folder / f"{self.scenario}.json"] = self.to_json()
        for path, text in made.items():
            path.write_text(text)
        return list(made)
