"""What the operator or the network decides about a mesh: one frozen record with the policy of DESIGN section 3.0."""

from dataclasses import dataclass
from enum import Enum

from chain.primitives.errors import ConfigError
from chain.primitives.units import Millis


class Reachability(Enum):
    """Who can open a link to this node (DESIGN section 3.4); stands in the flags of its record."""

    PUBLIC = 0
    """Anyone: its candidates have public addresses, or all peers share its network."""
    PUNCHABLE = 1
    """Peers that can punch holes with it."""
    HARD = 2
    """Public peers only."""


@dataclass(frozen=True, slots=True)
class MeshConfig:
    """Settings of one mesh. The defaults are those of mainnet; durations in milliseconds."""

    network_id: bytes
    """blake2b-256 of the canonical genesis document, 32 bytes: part of every handshake and record."""
    id_difficulty: int
    """Argon2 hashes that an id's proof of work costs on average: 2^18 mainnet, 2^10 testnet, 2^4 devnet."""
    rendezvous_url: str | None = None
    """Own rendezvous as others reach it (`ws://host:6369`); None if this node runs none. Told to neighbours only."""
    bootstraps: tuple[str, ...] = ()
    """First contacts when no anchor answers: `ws://host:port`, or `ws://<64 hex digits>@host:port` to pin the id."""
    trust_own_clock: bool = False
    """Sign records before three ids of two first contacts agree on the time. For the first nodes of a network and for
    devnets, where there is nobody to ask; see `net.core.clock.agreement`."""
    reachability: Reachability | None = Reachability.PUBLIC
    """Claim in the own record; None: as two neighbours find it (`net.core.overlay.reach`)."""
    uplink_class: int = 0
    """Uplink class in the own record, 0 (unknown) to 15; see `wire.record.uplink_class`."""
    tags: tuple[int, int, int] = (0, 0, 0)
    """Failure domains in the own record: operator, country, release; each below 2^16, 0 for not told."""
    features: int = 0
    """Bit set of optional abilities of what runs above the mesh, told in every HELLO; 64 bits. The mesh passes on which
    ones both ends of a link have (`LinkUp.features`) and has none itself."""

    map_hops: int = 0
    """Keep only records of peers within this many hops on the own map, and a hash sample of the others; 0: all. For
    devices with little memory; see `net.core.map.horizon`."""

    own_core: int = 6
    """Own links always kept."""
    own_max: int = 8
    """Own links at most, used while fewer than `links` are listed in all."""
    own_young: int = 12
    """Own links at most in the first hour of the id."""
    young_for: Millis = Millis(3_600_000)
    """How long an id counts as young."""
    links: int = 12
    """Listed links below which own links beyond the core are opened."""
    cap: int = 24
    """Listed links at most; a record with more is invalid (wire value)."""
    cap_heal: int = 32
    """Listed links at most under the healing flag (wire value)."""
    confirm_timeout: Millis = Millis(30_000)
    """A listed link that the other end's record does not confirm by then is closed."""
    quarantine: Millis = Millis(600_000)
    """How long an id that did not confirm is neither dialled nor accepted; doubles each time, up to a day."""
    min_age: Millis = Millis(600_000)
    """Time since first seen below which an id is chosen only when too few others pass."""
    ping: Millis = Millis(5_000)
    """Interval of pings on a link."""
    dead: Millis = Millis(15_000)
    """Silence after which a link is closed."""
    reseed: Millis = Millis(86_400_000)
    """Interval at which one core slot draws a new secret."""
    surveys: bool = True
    """Whether this node surveys its map for weak places (DESIGN section 3.6): 0.06 % of a core at 2,500 peers."""
    guests: int = 32
    """Guest links hosted at once."""
    guest_life: Millis = Millis(60_000)
    """Longest life of a guest link."""
    guest_done: int = 3
    """Listed links with which a guest needs its host no longer."""
    inbound_pending: int = 4
    """Inbound links in set-up at once."""
    setups: int = 8
    """Link set-ups of either direction at once."""
    setups_kept: int = 2
    """Of these, places that others leave to own dials, and as many that callers of the rendezvous leave to members of
    the network: a stranger pays nothing for a dial that never opens."""
    setup_timeout: Millis = Millis(20_000)
    """From a link's offer to its open data channel."""
    connect_timeout: Millis = Millis(8_000)
    """From offer and answer to the open data channel: ICE asks four times within it, and most links take under 1 s. A
    dial that cannot succeed holds one of the few set-up places at both ends this long."""
    moves_per_minute: int = 8
    """Refused or failed slots that may move on to their next hash, a minute."""
    unlisted_own: int = 2
    """Own unlisted links (eclipse alarm), kept from `unlisted_from` peers on the map upwards."""
    unlisted_from: int = 64
    """Peers on the map from which unlisted links are kept: in a small network every link is listed anyway."""
    unlisted_accepted: int = 4
    """Unlisted links accepted."""
    anchors: int = 64
    """Rendezvous URLs remembered across restarts."""
    offer_life: Millis = Millis(40_000)
    """Validity of an offer or any direct message."""
    rendezvous_rate: int = 20
    """Rendezvous requests taken per second and /24 or /48."""
    request_timeout: Millis = Millis(10_000)
    """Silence after which an application request has failed."""

    @property
    def setups_inbound(self) -> int:
        """Inbound set-ups at once, of any kind."""
        return min(self.setups, max(1, self.setups - self.setups_kept))

    @property
    def setups_guests(self) -> int:
        """Inbound set-ups at once that callers of the rendezvous asked for."""
        return min(self.setups, max(1, self.setups - 2 * self.setups_kept))

    def __post_init__(self) -> None:
        """Raise `ConfigError` that names the first setting out of range."""
        if len(self.network_id) != 32:
            raise ConfigError(f"network_id has {len(self.network_id)} bytes, not 32")
        if self.id_difficulty < 1:
            raise ConfigError(f"id_difficulty is {self.id_difficulty}, not at least 1")
        if not 0 <= self.uplink_class <= 15:
            raise ConfigError(f"uplink_class is {self.uplink_class}, not in 0..15")
        if any(not 0 <= tag <= 0xFFFF for tag in self.tags):
            raise ConfigError("tags are numbers below 65536")
        if not 0 <= self.features < 1 << 64:
            raise ConfigError(f"features are {self.features}, not 64 bits")
        if self.map_hops < 0:
            raise ConfigError(f"map_hops is {self.map_hops}, not 0 (all) or more")
        if not 1 <= self.own_core <= self.own_max <= self.own_young <= self.cap <= self.cap_heal:
            raise ConfigError("own_core <= own_max <= own_young <= cap <= cap_heal does not hold")
