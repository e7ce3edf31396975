"""The topics on which nodes speak of chain objects: their numbers on the wire and the longest payload of each.

The composition root registers each of them with the mesh as a `TopicSpec`. Numbers are part of the protocol and are
never used again for anything else.
"""

from enum import IntEnum

from chain.primitives.units import Millis


class Topic(IntEnum):
    """Numbers of the chain's topics; 1 to 15 are the chain's, applications begin at 64."""

    BLOCK = 1
    """Published: a sealed header, its ticket and a compact body (`compact.encode_compact`)."""
    TRANSACTION = 2
    """Published: one transaction as it is hashed (`Transaction.raw`)."""
    SYNC = 3
    """Requests and responses: status, headers by locator, bodies by id, parts of a body, what waits in the pool
    (`messages`)."""


POOLS_FEATURE = 1 << 0
"""Bit of the handshake's features: this node answers WAITING and PICK. One that does not tell it is not asked, since it
would take the question for garbage and ban who put it."""

FEATURES = POOLS_FEATURE
"""Optional abilities of the exchange, for `MeshConfig.features`."""

BLOCK_MAX_BYTES = (1 << 20) + (64 << 10)
"""Longest BLOCK payload: a body of 1 MiB that is prefilled whole, its short ids and the header."""

TRANSACTION_MAX_BYTES = 128 << 10
"""Longest TRANSACTION payload: what go-ethereum's pool takes; a longer one is dropped before it is parsed."""

SYNC_MAX_BYTES = 2 << 20
"""Longest SYNC request or response: the mesh's PAYLOAD_MAX (DESIGN section 3.0)."""

REQUEST_TIMEOUT = Millis(40_000)
"""Longest time a SYNC request is waited for; then its work goes to another peer and this one gets a strike.

Two answers of 1.25 MiB at once over the slowest uplink that is worth a link, 64 kB/s. Silence ends earlier: the mesh
knows whether parts of an answer arrive (`NO_ANSWER`)."""

NO_ANSWER = "no answer in time"
"""Reason with which the mesh gives up a silent peer (`net.core.app.requests`)."""
