"""What the machines of this folder return: frames for neighbours, events and blobs for the driver, words for the guard.

`mesh` turns `ToPeer` into `Send`, hands `Fault` and `Spent` to the guard and passes the others on, in order.
"""

from dataclasses import dataclass
from typing import TypeAlias

from chain.primitives.peer import PeerId
from chain.primitives.units import Millis
from net.core.effects import Alarm, MapEvent, Persist
from net.core.wire.fault import Fault, Spent
from net.core.wire.frame import ToPeer


@dataclass(frozen=True, slots=True)
class Untold:
    """A record that was news here came over a link that only reconciles: nobody had spread it to this node before."""

    peer: PeerId
    """The neighbour that brought it."""
    seq: Millis
    """When it was signed."""


MapEffect: TypeAlias = ToPeer | MapEvent | Persist | Alarm | Fault | Spent | Untold
