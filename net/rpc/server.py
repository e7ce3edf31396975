"""The RPC server as the composition root holds it."""

from collections.abc import Callable

from chain.primitives.units import Millis
from net.rpc.events import Events
from net.rpc.policy import RpcPolicy
from net.rpc.ports import RpcParts


class RpcServer:
    """Serves JSON-RPC on one port: HTTP at `/`, WebSocket at `/` and `/ws`."""

    def __init__(self, parts: RpcParts, policy: RpcPolicy, events: Events, *, clock: Callable[[], Millis]) -> None:
        self._parts = parts
        self._policy = policy
        self._events = events
        self._clock = clock

    async def start(self) -> int:
        """Listen, and return the port. Raises `ConfigError` when the address cannot be had."""
        raise NotImplementedError

    async def stop(self) -> None:
        """Close all connections and stop listening."""
        raise NotImplementedError
