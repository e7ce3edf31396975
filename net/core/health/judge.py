"""From a survey to how bad each thing is for one node, and the words in which an operator hears of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chain.primitives.peer import PeerId, short
from net.core.health.domains import Domain, own_counts
from net.core.health.spectrum import Cut
from net.core.health.survey import Survey
from net.core.health.tags import DomainKind, domain_name
from net.core.health.watch import AlarmKind

JUDGED_FROM = 8
"""Linked peers from which a network is judged: in a smaller one every peer is a large part, and all are linked."""

SEVERED_LEAST = 3
"""Peers that hang on one peer or link before it is anybody's business: a joiner hangs on its first link."""

MAJORITY = 0.5
"""A domain of more than this part of the network is no alarm: nearly everyone may run one release, and what few others
there are seldom hang together without them."""

TO_BLAME = 0.5
"""A domain is looked at when the network's weakest cut keeps at most this part of its strength without it: where two
sides hang together by little in any case, it is the cut that alarms."""

OWN_LINKS_LEAST = 6
"""Own links from which their domains are judged."""

OWN_SHARE_DUE = 0.5
"""Part of the own links that may lead into any domain; a larger one may have twice its share of the network."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One figure against its threshold."""

    badness: float
    text: str


@dataclass(frozen=True, slots=True)
class OwnShare:
    """The failure domain that holds most of this node's links past what is due to it."""

    kind: DomainKind
    tag: int
    links: int
    excess: float
    """Own share less the share due; negative is fine."""

    @property
    def name(self) -> str:
        """Return the kind and the tag as one word."""
        return domain_name(self.kind, self.tag)


def own_share(survey: Survey, tags: Sequence[tuple[int, int, int]]) -> OwnShare | None:
    """Return the worst domain of the neighbours whose tags these are, None if they announce none."""
    members = survey.pieces.members(0)
    worst: OwnShare | None = None
    for (kind, tag), links in sorted(own_counts(tags).items()):
        share = int(np.count_nonzero(survey.shape.tags[members, kind] == tag)) / max(1, len(members))
        due = min(1.0, max(OWN_SHARE_DUE, 2 * share))
        found = OwnShare(kind, tag, links, links / len(tags) - due)
        if worst is None or found.excess > worst.excess:
            worst = found
    return worst


def most_fragile(survey: Survey) -> tuple[Domain, Cut] | None:
    """Return the domain without which the others would hang together by least, and the cut among them.

    None if no domain makes the network much weaker than it is with all of them.
    """
    whole = survey.spectrum.cut
    strength = 1.0 if whole is None else whole.strength
    found = [
        (domain, domain.cut)
        for domain in survey.domains
        if domain.share <= MAJORITY and domain.cut is not None and domain.cut.strength <= strength * TO_BLAME
    ]
    return min(found, key=lambda pair: (pair[1].strength, pair[0].remains, pair[0].name), default=None)


def judge(
    survey: Survey, me: PeerId, tags: Sequence[tuple[int, int, int]], most_reached: int
) -> dict[AlarmKind, Finding]:
    """Return how bad things are by kind, nothing in a network too small to be judged.

    `tags` are those of this node's neighbours, `most_reached` the most peers it reached within the last hour.
    """
    linked, reached = survey.linked, survey.piece_of(me)
    if max(linked, most_reached) < JUDGED_FROM or reached < 2:
        return {}
    found = {
        AlarmKind.PARTITION_SEEN: Finding(
            1 - reached / linked,
            f"{linked - reached} of {linked} linked peers in {len(survey.pieces.sizes) - 1} other pieces of the network"
            " are out of reach",
        ),
        AlarmKind.MAP_SHRANK: Finding(
            1 - reached / max(reached, most_reached),
            f"{reached} peers can be reached, {most_reached} could within the last hour",
        ),
    }
    found |= _cuts(survey, linked)
    fragile = most_fragile(survey)
    if fragile is not None:
        domain, cut = fragile
        found[AlarmKind.DOMAIN_FRAGILE] = Finding(1 - cut.strength, _without(domain, cut))
    own = own_share(survey, tags) if len(tags) >= OWN_LINKS_LEAST else None
    if own is not None:
        text = f"{own.links} of {len(tags)} own links lead into the failure domain {own.name}"
        found[AlarmKind.DOMAIN_CONCENTRATION] = Finding(own.excess, text)
    return found


def _cuts(survey: Survey, linked: int) -> dict[AlarmKind, Finding]:
    found: dict[AlarmKind, Finding] = {}
    cut = survey.spectrum.cut
    if cut is not None:
        found[AlarmKind.WEAK_CUT] = Finding(1 - cut.strength, _joined(cut, survey.pieces.sizes[0]))
    if survey.cut_points and survey.cut_points[0].severed >= SEVERED_LEAST:
        point = survey.cut_points[0]
        name = short(survey.shape.peer(point.peer))
        if point.other is not None:
            name = f"the link {name} - {short(survey.shape.peer(point.other))}"
        found[AlarmKind.SINGLE_POINT] = Finding(
            point.severed / linked, f"{point.severed} of {linked} linked peers hang on {name} alone"
        )
    return found


def _joined(cut: Cut, peers: int) -> str:
    side = len(cut.side)
    return f"{cut.links} links join {side} peers with the other {peers - side}; by chance {cut.expected:.0f} would"


def _without(domain: Domain, cut: Cut) -> str:
    rest = f"without the {domain.peers} peers of {domain.name}"
    if not cut.links:
        return f"{rest} only {domain.remains:.0%} of the other {domain.survivors} would hang together"
    return f"{rest} {_joined(cut, domain.survivors)}"
