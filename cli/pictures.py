"""Pictures of the map as SVG: peers on a circle in the order of their ids, links as chords."""

import math
from collections.abc import Sequence
from pathlib import Path

from chain.primitives.errors import StorageError

SIDE = 900
"""Width and height, pixels."""

MARGIN = 100
"""Room around the circle, pixels: a label of eight characters is 53 wide and stands 16 off."""

MAX_LINKS_DRAWN = 20_000
"""More chords than this are a grey disc, and a file of megabytes."""


def save_picture(file: Path, svg: str) -> None:
    """Write a picture into a file of the user's. Raises `StorageError`."""
    try:
        file.write_text(svg)
    except OSError as error:
        raise StorageError(f"cannot write the picture {file}: {error.strerror}") from None


def draw_map(peers: Sequence[str], links: Sequence[tuple[str, str]], own: str) -> str:
    """Return an SVG of the network; `own` is the peer whose view this is, drawn in red with its links."""
    centre, radius = SIDE / 2, SIDE / 2 - MARGIN
    order = sorted(peers)
    angle = {peer: 2 * math.pi * index / max(1, len(order)) for index, peer in enumerate(order)}
    place = {peer: (centre + radius * math.sin(turn), centre - radius * math.cos(turn)) for peer, turn in angle.items()}
    degree = dict.fromkeys(order, 0)
    chords = []
    for origin, target in links[:MAX_LINKS_DRAWN]:
        if origin not in place or target not in place:
            continue
        degree[origin] += 1
        degree[target] += 1
        (x1, y1), (x2, y2) = place[origin], place[target]
        colour = "#c0392b" if own in (origin, target) else "#7f8c8d"
        chords.append(
            f'<path d="M{x1:.1f},{y1:.1f} Q{centre:.1f},{centre:.1f} {x2:.1f},{y2:.1f}" stroke="{colour}" '
            f'stroke-width="1.5" stroke-opacity="0.6" fill="none"/>'
        )
    dots = []
    for peer in order:
        x, y = place[peer]
        colour = "#c0392b" if peer == own else "#2c3e50"
        dots.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{3 + min(9, degree[peer] / 2):.1f}" fill="{colour}">'
            f"<title>{peer}, {degree[peer]} links</title></circle>"
        )
        if len(order) <= 64:
            dots.append(_label(peer, angle[peer], centre, radius + 16))
    title = f"{len(order)} peers, {len(links)} confirmed links, as {own[:8]} sees them"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIDE} {SIDE}" width="{SIDE}" height="{SIDE}">',
            '<rect width="100%" height="100%" fill="white"/>',
            *chords,
            *dots,
            f'<text x="12" y="{SIDE - 12}" font-family="sans-serif" font-size="14">{title}</text>',
            "</svg>\n",
        ]
    )


def _label(peer: str, turn: float, centre: float, distance: float) -> str:
    x, y = centre + distance * math.sin(turn), centre - distance * math.cos(turn)
    anchor = "middle" if abs(math.sin(turn)) < 0.3 else ("start" if math.sin(turn) > 0 else "end")
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-family="monospace" font-size="11" text-anchor="{anchor}" '
        f'dominant-baseline="middle">{peer[:8]}</text>'
    )
