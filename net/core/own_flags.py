"""What the own record says of this node in its flags."""

from net.core.config import Reachability
from net.core.wire.record import Flags

_REACHED = {
    Reachability.PUBLIC: Flags.PUBLIC,
    Reachability.PUNCHABLE: Flags.PUNCHABLE,
    Reachability.HARD: Flags(0),
}


def own_flags(reachability: Reachability, *, healing: bool) -> Flags:
    """Return the flags of the next record."""
    return _REACHED[reachability] | Flags.IPV4 | (Flags.HEALING if healing else Flags(0))
