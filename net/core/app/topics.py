"""What an application says about a topic when it registers it."""

from dataclasses import dataclass

from chain.primitives.errors import ConfigError
from net.core.effects import Priority

PAYLOAD_MAX = 2 * 1024 * 1024
"""Largest payload of a published message, request or response in bytes (DESIGN section 3.0)."""

TOPIC_MAX = 0xFFFF
"""Topics are numbered by two bytes on the wire."""


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic. Numbers are protocol: both ends must mean the same by them."""

    number: int
    """0 to 65,535."""
    name: str
    """For metrics and logs."""
    max_bytes: int
    """Largest payload, at most PAYLOAD_MAX; a longer one costs its sender the link."""
    priority: Priority
    """Queue in which the topic's frames wait on a link."""
    max_pending: int = 64
    """Messages of one neighbour that may await the application's verdict, and its requests that may await an answer."""
    relayed: bool = True
    """Whether messages are published to all peers; False for a topic of requests only."""

    def __post_init__(self) -> None:
        """Raise `ConfigError` that names the first value out of range."""
        if not 0 <= self.number <= TOPIC_MAX:
            raise ConfigError(f"topic {self.name}: number {self.number} is not in 0..{TOPIC_MAX}")
        if not 0 <= self.max_bytes <= PAYLOAD_MAX:
            raise ConfigError(f"topic {self.name}: max_bytes {self.max_bytes} is not in 0..{PAYLOAD_MAX}")
        if self.max_pending < 1:
            raise ConfigError(f"topic {self.name}: max_pending {self.max_pending} is not at least 1")
