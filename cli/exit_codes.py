"""Exit codes of the command: what a script can tell from `$?` (docs/operator.md, "Exit codes")."""

from enum import IntEnum


class ExitCode(IntEnum):
    """One code for each kind of failure; 0 is success and 1 an error nobody expected (a bug: please report it)."""

    BUG = 1
    USAGE = 2
    """A flag, setting or argument is wrong; the text names it."""
    STORAGE = 3
    """The database cannot be opened, belongs to another network or version, or is damaged."""
    NETWORK = 4
    """A port is in use or an address cannot be bound."""
    RPC = 5
    """The node at the RPC address did not answer, or answered with an error."""
    REFUSED = 6
    """The node or chain refused what was asked (a transaction, a withdrawal, a password)."""
    DUPLICATE = 7
    """This data directory's identity runs somewhere else at the same time."""
