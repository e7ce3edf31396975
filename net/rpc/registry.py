"""What a method is: its name, its typed parameters, the schema of its result and the function that answers.

The same records check the parameters, run the call and make the OpenRPC document, so they cannot disagree.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from net.rpc.encoding import Dumped, Json
from net.rpc.errors import invalid_params

Schema = Mapping[str, Json]
"""A JSON schema (draft 7)."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of parameter."""

    name: str
    """Name of the schema in the OpenRPC document's components."""
    schema: Schema
    decode: Callable[[object], object]
    """Turn parsed JSON into what the method takes; raises `RpcError`."""


class _Required(Enum):
    REQUIRED = "required"


REQUIRED = _Required.REQUIRED
"""Default of a parameter that must be given."""


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter."""

    name: str
    kind: Kind
    default: object = REQUIRED
    """What the method gets when the parameter is left out or null."""


class Where(Enum):
    """Where a method runs."""

    LOOP = "loop"
    """On the event loop: for answers from memory or by a few database reads."""
    WORKER = "worker"
    """In a worker thread: whatever decodes whole blocks or proves."""
    SCAN = "scan"
    """In a worker thread that scans may hold: what may take seconds."""
    WAIT = "wait"
    """As a coroutine on the event loop."""


class Socket(Protocol):
    """The WebSocket a call came from, as subscriptions need it."""

    def subscribe(self, topic: "Topic") -> str:
        """Begin to notify of a topic and return the subscription's id. Raises `RpcError` at the limit."""

    def unsubscribe(self, subscription: str) -> bool:
        """End a subscription; False if there is none of this id."""


class Topic(Protocol):
    """What a subscription is about; the feeds of `net.rpc.feed` know the kinds."""

    @property
    def method(self) -> str:
        """Method of its notifications: `eth_subscription` or `mappemonde_subscription`."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks."""

    owner: str
    """Whom filters are counted against: an address, or one WebSocket."""
    socket: Socket | None = None
    """None over HTTP."""
    admin: bool = False
    """Whether the request carried the operator's token."""
    address: str | None = None
    """Where a WebSocket comes from; None over HTTP, where the owner is the address."""

    @property
    def client(self) -> str:
        """Whose share of what all clients have in common it takes: an address, however many connections it opens."""
        return self.address or self.owner


Run = Callable[..., Json] | Callable[..., Dumped] | Callable[..., Awaitable[Json]]


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the server."""

    name: str
    summary: str
    params: tuple[Param, ...]
    result: Schema
    run: Run
    """Takes the decoded parameters in order, after the `Caller` if `takes_caller`."""
    where: Where = Where.LOOP
    takes_caller: bool = False
    weight: int = 1
    """Ordinary calls, of a fifth of a millisecond on the event loop, that it counts as for the rate limit."""
    admin: bool = False
    """Whether only a caller with the operator's token may use it."""

    def arguments(self, given: object) -> list[object]:
        """Return the decoded parameters of a call, by position or by name. Raises `RpcError`."""
        params = self.params
        if given is None:
            values: Sequence[object] = ()
        elif isinstance(given, list):
            values = given
            if len(values) > len(params):
                raise invalid_params(f"too many arguments, want at most {len(params)}")
        elif isinstance(given, dict):
            values = [given.get(param.name) for param in params]
        else:
            raise invalid_params("params must be an array or an object")
        arguments = []
        count = len(values)
        for index, param in enumerate(params):
            value = values[index] if index < count else None
            if value is None:
                if param.default is REQUIRED:
                    raise invalid_params(f"missing value for required argument {index} ({param.name})")
                arguments.append(param.default)
            else:
                arguments.append(param.kind.decode(value))
        return arguments


class Registry:
    """The methods by name."""

    def __init__(self, methods: Iterable[Method]) -> None:
        self._methods: dict[str, Method] = {}
        for method in methods:
            assert method.name not in self._methods, f"{method.name} is registered twice"
            self._methods[method.name] = method

    def get(self, name: str) -> Method | None:
        """Return a method, None if there is none of this name."""
        return self._methods.get(name)

    def all(self) -> list[Method]:
        """Return all methods in the order of their names."""
        return [self._methods[name] for name in sorted(self._methods)]
