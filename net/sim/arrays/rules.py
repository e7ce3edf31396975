"""The numbers of neighbour choice as the array model uses them: those of `MeshConfig`, times in rounds."""

from dataclasses import dataclass

from net.core.config import MeshConfig
from net.core.overlay.admission import PROTECTED
from net.core.overlay.candidates import OVERLAP_MAX
from net.core.overlay.slots import HAND_BACK_EVERY
from net.core.overlay.turnover import SPARE_EVERY

ROUND_MS = 600_000
"""Ten minutes, MIN_AGE: the age filter and the hour of youth then are whole rounds."""

SESSION_MS = 8 * 3_600_000
"""Mean of the exponential session lengths in a steady network."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Neighbour choice without domains and reachability: all peers are public, as in the exact simulator."""

    own_core: int
    """Own links always kept."""
    own_max: int
    """Own links at most, while fewer than `links` are listed."""
    own_young: int
    """Own links at most of a young id."""
    links: int
    """Listed links below which own links beyond the core are opened."""
    cap: int
    """Listed links at most."""
    inbound: int
    """Inbound links a public peer takes from others that can be dialled: a quarter is kept for those that cannot."""
    overlap: int
    """Neighbours that chooser and chosen may share."""
    protected: int
    """Inbound links that eviction spares as fast or useful: twice Bitcoin Core's four."""
    pending: int
    """Inbound links a peer sets up at once."""
    young_rounds: int
    """Rounds after which the young allowance is gone."""
    min_age_rounds: int
    """Rounds an id must be known before it is preferred as a neighbour."""
    round_ms: int
    """Length of a round."""
    mean_session: float
    """Mean session of a peer, in rounds."""
    reseed_rounds: int
    """Rounds between two reseeds of one core slot of a peer; 0: never."""
    follows: bool = True
    """Whether slots go over to newcomers that their hash prefers."""
    spare_minutes: int = 0
    """Minutes in which one own link beyond the core is handed back while more than `links` are listed; 0: never."""
    oldest_rounds: int = 0
    """Rounds after which an own link is ended, one a round and peer, whatever the hash says; 0: never. No rule of the
    nodes: rejected, and kept for the comparison in docs/decisions/slots-follow-their-hash.md."""

    @classmethod
    def of(cls, config: MeshConfig, round_ms: int) -> "Rules":
        """Return the rules of a configuration, in rounds of this many ms."""
        kept = config.cap - config.own_core
        return cls(
            own_core=config.own_core,
            own_max=config.own_max,
            own_young=config.own_young,
            links=config.links,
            cap=config.cap,
            inbound=kept - kept // 4,
            overlap=OVERLAP_MAX,
            protected=2 * PROTECTED,
            pending=config.inbound_pending,
            young_rounds=max(0, config.young_for - HAND_BACK_EVERY) // round_ms,
            min_age_rounds=-(-config.min_age // round_ms),
            round_ms=round_ms,
            mean_session=SESSION_MS / round_ms,
            reseed_rounds=config.reseed // round_ms,
            spare_minutes=SPARE_EVERY // 60_000,
        )


def mainnet_rules() -> Rules:
    """Return the rules with mainnet's settings."""
    return Rules.of(MeshConfig(network_id=bytes(32), id_difficulty=1), ROUND_MS)
