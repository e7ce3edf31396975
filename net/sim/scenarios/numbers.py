"""The numbers of the stories, in words: docs/simulator.md tells of each by its name in JSON."""

from dataclasses import dataclass
from math import floor

SHARE = "%"
"""The unit of what JSON has as a part of 1."""


@dataclass(frozen=True, slots=True)
class Number:
    """How a number is shown to people."""

    label: str
    unit: str = ""
    absent: str = "-"
    """What is shown where there is none."""

    def show(self, value: float | str | None) -> str:
        """Return the value with its unit. Shares are rounded down: 100 % is all."""
        if value is None:
            return self.absent
        if isinstance(value, str):
            return value
        if self.unit == SHARE:
            return f"{floor(round(value * 1e5, 3)) / 1e3:g} %"
        figure = f"{value:,}" if isinstance(value, int) else f"{value:,.0f}" if value >= 10_000 else f"{value:.4g}"
        return f"{figure} {self.unit}".rstrip()


_OF_KIND = {
    f"{kind}_{name}": Number(f"{kind} peers{label}")
    for kind in ("public", "punchable", "hard")
    for name, label in (("peers", ""), ("least_own", ": fewest own links"), ("mean_links", ": links, mean"))
}

NUMBERS = {
    "join_every_ms": Number("a peer joins every", "ms"),
    "maps_true_after_ms": Number("maps true after", "ms", "not in time"),
    "reached": Number("a message came to", SHARE),
    "last_delay_ms": Number("to the last of them after", "ms"),
    "mean_degree": Number("links of a peer, mean"),
    "pieces": Number("pieces of the network"),
    "mean_path": Number("distance of two peers, mean", "hops"),
    "path_over_random": Number("that over a random graph's"),
    "diameter": Number("distance of two peers, greatest", "hops"),
    "lambda2": Number("lambda2"),
    "lambda2_over_random": Number("that over a random graph's"),
    "records_signed": Number("records signed"),
    "records_taken": Number("records taken"),
    "megabytes": Number("bytes arrived", "MB"),
    **_OF_KIND,
    "left": Number("peers that left"),
    "joined": Number("peers that came"),
    "records_per_hour": Number("a peer signs", "records/h"),
    "records_bytes_s": Number("a peer receives, of records", "B/s"),
    "least_bytes_s": Number("least that could tell the same", "B/s"),
    "times_least": Number("records over the least"),
    "keepalive_bytes_s": Number("a peer receives, of pings", "B/s"),
    "other_bytes_s": Number("a peer receives, of all else", "B/s"),
    "frames_s": Number("a peer receives, in all", "frames/s"),
    "survivors": Number("peers that are left"),
    "one_piece_of_100_draws": Number("a third gone: one piece at once", "of 100 draws"),
    "half_gone_mean_giant": Number("half gone: largest piece, mean", SHARE),
    "half_gone_worst_giant": Number("half gone: largest piece, worst", SHARE),
    "half_gone_mean_giant_of_random": Number("the same of a random graph, mean", SHARE),
    "half_gone_worst_giant_of_random": Number("the same of a random graph, worst", SHARE),
    "pieces_at_once": Number("pieces at once"),
    "degree_at_once": Number("links of a peer at once, mean"),
    "pieces_after_60_s": Number("pieces after 60 s"),
    "degree_after_60_s": Number("links of a peer after 60 s, mean"),
    "mean_precision": Number("precision of the maps, mean", SHARE),
    "mean_recall": Number("recall of the maps, mean", SHARE),
    "worst_precision": Number("precision of the maps, worst", SHARE),
    "worst_recall": Number("recall of the maps, worst", SHARE),
    "virtual_seconds": Number("virtual time", "s"),
    "deliveries": Number("frames arrived"),
    "cpu_seconds": Number("CPU time", "s"),
    "digest": Number("digest"),
}
"""By name in JSON."""
