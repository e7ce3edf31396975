"""Sybil share (promise P6): ids of one adversary that fill every slot they may, among peers that follow the rules.

The adversary's ids never leave, are old, know the rules and open all the own links that their records may list, to
honest peers only, each round before anyone else; they take every inbound link up to the cap. What they cannot do is
raise their rank in an honest peer's private hash, list more links than everyone enforces, or be chosen once they are
full.

While nobody leaves (`sessions=0`) their share of own links is the price of uniform sampling. Where honest peers come
and go it would grow beyond that (a link to an honest peer ends with its session, one to an id that never leaves stays)
if slots did not follow their hash. An adversary whose ids come and go has more of them tried by every slot; what that
brings is measured with `idle_below`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from net.sim.arrays.life import FIRST_STEPS, fill, live, replace
from net.sim.arrays.network import NOBODY, Ints, Network
from net.sim.arrays.rules import Rules
from net.sim.arrays.turnover import News


@dataclass(frozen=True, slots=True)
class SybilShare:
    """How far an adversary comes."""

    share_of_ids: float
    """Part of all ids that are the adversary's: the price paid, as uniform sampling would give."""
    own: float
    """Its share of honest peers' own links: what a peer's own choice is worth."""
    links: float
    """Its share of all links of honest peers."""
    surrounded: float
    """Part of honest peers all of whose links are the adversary's: eclipsed."""
    captured: float
    """Part of honest peers all of whose own links are."""
    ids: float
    """Ids that the adversary used, for each peer of the network."""


def sybil_share(
    peers: int,
    rules: Rules,
    seed: int,
    *,
    share: float,
    sessions: float = 2.0,
    idle_below: int = 0,
    progress: Callable[[float], None] | None = None,
) -> SybilShare:
    """Let honest peers come and go for `sessions` mean session lengths beside the adversary's, and count.

    `idle_below`: an id of the adversary to which fewer honest peers hold own links, a round after it came of age, comes
    back as another; 0: none does.
    """
    network = Network(peers, rules, np.random.default_rng([seed, round(share * 1000)]))
    sybils = round(share * peers)
    replace(network, np.arange(peers), 0, aged=True)
    network.born[:sybils] = -1_000_000
    rounds = round(sessions * rules.mean_session)
    news = News(network)
    used = sybils
    for now in range(rounds + 1):
        if now:
            leaving = np.flatnonzero(network.rng.random(peers) < 1 / rules.mean_session)
            leaving = leaving[leaving >= sybils]
            replace(network, leaving, now)
            news.forget(leaving)
            idle = _idle(network, sybils, now, idle_below)
            replace(network, idle, now)
            news.forget(idle)
            used += len(idle)
        _occupy(network, sybils, now)
        if now:
            live(network, news, now, silent=sybils)
        else:
            fill(network, now, FIRST_STEPS, silent=sybils, first=-FIRST_STEPS)
            news.gather(now)
        if progress is not None:
            progress(now / max(1, rounds))
    return _count(network, sybils, share, used)


def _idle(network: Network, sybils: int, now: int, below: int) -> Ints:
    own = network.own[sybils:]
    chosen = np.bincount(own[own != NOBODY], minlength=len(network))[:sybils]
    of_age = now - network.born[:sybils] > network.rules.min_age_rounds
    return np.flatnonzero((chosen < below) & of_age).astype(np.int64)


def _occupy(network: Network, sybils: int, now: int) -> None:
    """Let the adversary open every own link it may, to honest peers with room."""
    rules = network.rules
    for _ in range(2 * rules.own_max):
        rows = np.flatnonzero((network.own_count() < rules.own_max)[:sybils] & (network.listed() < rules.cap)[:sybils])
        if not len(rows) or not network.open_links(rows, now, among=slice(sybils, None)):
            return


def _count(network: Network, sybils: int, share: float, used: int) -> SybilShare:
    own = network.own[sybils:]
    held = own != NOBODY
    theirs = held & (own < sybils)
    adjacency = network.adjacency()[sybils:]
    degree: Ints = np.diff(adjacency.indptr).astype(np.int64)
    bad = np.asarray(adjacency[:, :sybils].sum(axis=1)).ravel()
    honest = len(own)
    return SybilShare(
        share_of_ids=share,
        own=float(theirs.sum() / max(1, held.sum())),
        links=float(bad.sum() / max(1, degree.sum())),
        surrounded=float(((bad == degree) & (degree > 0)).sum() / honest),
        captured=float(((theirs.sum(axis=1) == held.sum(axis=1)) & held.any(axis=1)).sum() / honest),
        ids=used / len(network),
    )
