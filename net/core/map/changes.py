"""What a newer record changes in its origin's list of links: usually one or two entries of a dozen."""

from dataclasses import dataclass

from net.core.wire.record import Link, Record


@dataclass(frozen=True, slots=True)
class Changes:
    """Positions count within the two records' `links`, which are in the order of their prefixes."""

    gone: tuple[int, ...]
    """Positions, in the older record, of links that are listed no more or in the other direction; the last first."""
    come: tuple[tuple[int, Link], ...]
    """Links that are new or in the other direction, with their positions in the newer record; the first first."""
    timed: tuple[tuple[int, int], ...]
    """Positions, in the newer record, of links that stay in another round-trip class; and the class."""


def changes_between(old: Record, new: Record) -> Changes:
    """Return what became of the links. Pure, so that a simulator may remember its answers."""
    gone: list[int] = []
    come: list[tuple[int, Link]] = []
    timed: list[tuple[int, int]] = []
    before = {link.prefix: (place, link) for place, link in enumerate(old.links)}
    for place, link in enumerate(new.links):
        known = before.pop(link.prefix, None)
        if known is None:
            come.append((place, link))
        elif known[1].direction is not link.direction:
            gone.append(known[0])
            come.append((place, link))
        elif known[1].rtt != link.rtt:
            timed.append((place, link.rtt))
    gone += [place for place, _ in before.values()]
    return Changes(tuple(sorted(gone, reverse=True)), tuple(come), tuple(timed))
