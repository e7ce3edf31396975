"""What can be subscribed to, and the kinds of the parameters that say so."""

from dataclasses import dataclass
from enum import Enum

from net.rpc.encoding import Json
from net.rpc.errors import invalid_params
from net.rpc.kinds import decode_text
from net.rpc.logs import LogCriteria
from net.rpc.registry import Kind


class Subject(Enum):
    """What notifications tell of."""

    NEW_HEADS = "newHeads"
    PENDING = "newPendingTransactions"
    LOGS = "logs"
    CHAIN = "heads"
    """This chain's own view of a change of the head: ticket, delay, work, and blocks undone."""
    MAP = "map"
    """Links of the global map that came or went."""
    WORK = "work"
    """New work for miners."""


ETH_SUBJECTS = (Subject.NEW_HEADS, Subject.PENDING, Subject.LOGS)
OWN_SUBJECTS = (Subject.CHAIN, Subject.MAP, Subject.WORK)


@dataclass(frozen=True, slots=True)
class Subscribed:
    """One subscription's wish."""

    subject: Subject
    full: bool = False
    """Whether pending transactions come whole instead of as hashes."""
    criteria: LogCriteria | None = None

    @property
    def parts(self) -> int:
        """Number of addresses and topics it names."""
        return 0 if self.criteria is None else self.criteria.parts

    @property
    def method(self) -> str:
        """Method of its notifications."""
        return "eth_subscription" if self.subject in ETH_SUBJECTS else "mappemonde_subscription"


def subject_kind(subjects: tuple[Subject, ...]) -> Kind:
    """Return the kind of subscription names."""
    names: dict[str, Subject] = {subject.value: subject for subject in subjects}

    def decode(value: object) -> Subject:
        subject = names.get(decode_text(value))
        if subject is None:
            raise invalid_params(f"no such subscription, there are {', '.join(names)}")
        return subject

    listed: list[Json] = list(names)
    return Kind("Subject" if subjects is ETH_SUBJECTS else "OwnSubject", {"type": "string", "enum": listed}, decode)
