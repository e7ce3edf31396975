"""The one tree of expected errors. What is not a `NodeError` is a bug."""

from enum import Enum


class NodeError(Exception):
    """An error the node expects and answers."""


class Penalty(Enum):
    """What a fault costs the peer that made it; `net.core.guard` turns it into strikes and bans."""

    NONE = "none"
    STRIKE = "strike"
    BAN = "ban"


class RemoteError(NodeError):
    """A peer's fault."""

    def __init__(self, message: str, *, penalty: Penalty = Penalty.STRIKE) -> None:
        super().__init__(message)
        self.penalty = penalty


class Malformed(RemoteError):
    """Bytes that are no message: what every `decode_*` raises, and the only thing it raises."""

    def __init__(self, message: str) -> None:
        super().__init__(message, penalty=Penalty.BAN)


class StorageError(NodeError):
    """The database cannot be opened, read or written; the text says what to do."""


class ConfigError(NodeError):
    """A setting is unknown, missing or out of range; the text names it."""


class ListenError(ConfigError):
    """An address or port cannot be listened on: another program has it, or it is not this machine's."""
