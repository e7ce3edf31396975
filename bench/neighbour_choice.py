"""Rules of neighbour choice beside each other under churn: the table of docs/decisions/slots-follow-their-hash.md.

`python -m bench.neighbour_choice [--peers N] [--sessions S] [--seed N] [RULE ...]` lets the array model live for S mean
sessions under each rule and prints degree, records, crashes and what an adversary's ids gather: ids that never leave,
and ids that come back as others where too few chose them. Fails when the rules of the nodes miss what they promise
under churn: a mean degree of 13.5, and a share of own links within 0.05 of that of an adversary among peers that stay.
"""

import argparse
import sys
from dataclasses import replace
from time import process_time

from net.core.overlay.turnover import SPARE_EVERY
from net.sim.arrays.failures import crash
from net.sim.arrays.life import steady
from net.sim.arrays.rules import Rules, mainnet_rules
from net.sim.arrays.sybil import sybil_share

NODES = mainnet_rules()
BARE = replace(NODES, follows=False, spare_minutes=0)

RULES: dict[str, Rules] = {
    "nothing": replace(BARE, reseed_rounds=0),
    "reseed": BARE,
    "reseed every 3 h": replace(BARE, reseed_rounds=18),
    "spare back": replace(BARE, spare_minutes=SPARE_EVERY // 60_000),
    "oldest after 8 h": replace(BARE, oldest_rounds=48),
    "oldest after 4 h": replace(BARE, oldest_rounds=24),
    "oldest after 2 h": replace(BARE, oldest_rounds=12),
    "oldest after 1 h": replace(BARE, oldest_rounds=6),
    "follow": replace(BARE, follows=True),
    "follow, spare at once": replace(NODES, spare_minutes=1),
    "follow, spare in 1 h": replace(NODES, spare_minutes=60),
    "follow, from 1 h on": replace(NODES, min_age_rounds=6),
    "follow, oldest after 4 h": replace(NODES, oldest_rounds=24),
    "nodes": NODES,
}
"""What is compared; "nodes" is what nodes do: reseed, follow, spare back."""

SHARES = (0.10, 0.30, 0.50)

FICKLE = (4, 6)
"""Own links of honest peers below which an id of the fickle adversary comes back as another; the better one counts."""

DEGREE_MAX = 13.5
APART_MAX = 0.05


def main() -> int:
    """Measure, print, and tell whether the nodes' rules keep their promise."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--peers", type=int, default=2_500)
    parser.add_argument("--sessions", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("rules", nargs="*", metavar="RULE", default=[])
    options = parser.parse_args()
    chosen = options.rules or list(RULES)
    if unknown := [name for name in chosen if name not in RULES]:
        print(f"no rule {unknown[0]!r}; there are {', '.join(RULES)}")
        return 2
    print(f"{options.peers} peers, {options.sessions} sessions, seed {options.seed}")
    heads = ["degree", "<12", "records", "moves", "1/3", "1/2 worst", *(f"own {share:.2f}" for share in SHARES)]
    heads += [f"fickle {share:.2f}" for share in SHARES[:2]]
    print(f"{'':<26}" + "".join(f"{head:>12}" for head in heads) + f"{'CPU s':>8}")
    kept = True
    for name in chosen:
        kept &= _row(name, RULES[name], options.peers, options.sessions, options.seed)
    return 0 if kept else 1


def _row(name: str, rules: Rules, peers: int, sessions: float, seed: int) -> bool:
    begun = process_time()
    network = steady(peers, rules, seed, sessions=sessions)
    hours = peers * min(1.0, sessions) * rules.mean_session * rules.round_ms / 3_600_000
    listed = network.listed()
    third, half = crash(network, 1 / 3, 100, seed), crash(network, 1 / 2, 100, seed + 1)
    cells = [
        f"{listed.mean():.2f}",
        f"{100 * (listed < rules.links).mean():.1f} %",
        f"{network.records / hours:.2f}",
        f"{network.moved / hours:.2f}",
        f"{third.whole_at_once}",
        f"{100 * half.worst_giant:.2f} %",
    ]
    shares = [sybil_share(peers, rules, seed, share=share, sessions=sessions).own for share in SHARES]
    cells += [f"{share:.3f}" for share in shares]
    for share in SHARES[:2]:
        tried = [sybil_share(peers, rules, seed, share=share, sessions=sessions, idle_below=few) for few in FICKLE]
        best = max(tried, key=lambda one: one.own)
        cells.append(f"{best.own:.3f}/{best.ids:.1f}")
    print(f"{name:<26}" + "".join(f"{cell:>12}" for cell in cells) + f"{process_time() - begun:>8.0f}", flush=True)
    if name != "nodes":
        return True
    among = [sybil_share(peers, rules, seed, share=share, sessions=0).own for share in SHARES]
    print(f"{'  among peers that stay':<26}" + " " * 72 + "".join(f"{share:>12.3f}" for share in among))
    apart = max(left - right for left, right in zip(shares, among, strict=True))
    return bool(listed.mean() <= DEGREE_MAX) and apart <= APART_MAX


if __name__ == "__main__":
    sys.exit(main())
