"""What the machines of this folder return: frames for neighbours, events and blobs for the driver, words for the guard.

`mesh` turns `ToPeer` into `Send`, hands `Fault` and `Spent` to the guard and passes the others on, in order.
"""

from typing import TypeAlias

from net.core.effects import Alarm, MapEvent, Persist
from net.core.wire.fault import Fault, Spent
from net.core.wire.frame import ToPeer

MapEffect: TypeAlias = ToPeer | MapEvent | Persist | Alarm | Fault | Spent
