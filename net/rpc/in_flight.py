"""Memory that requests and their answers hold: bounded for all together, and shared among the clients."""

from collections.abc import Callable
from dataclasses import dataclass

from net.rpc.fairness import who_yields


@dataclass(slots=True, eq=False)
class Held:
    """What one request and its answer hold; `InFlight` alone changes it."""

    client: str
    cut: Callable[[], None]
    """End the request's connection."""
    size_bytes: int = 0
    over: bool = False
    """Whether it holds nothing any more: answered, or cut."""


class InFlight:
    """Bytes under way. Whoever sends bodies slowly or leaves answers unread holds them for half a minute: when there is
    no room, the largest request of the client that holds most is cut, unless that is the one who asks for room."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._by_client: dict[str, dict[Held, None]] = {}
        self._bytes: dict[str, int] = {}
        self.size_bytes = 0
        self.cut = 0
        """Requests cut since the start."""

    def enter(self, client: str, cut: Callable[[], None]) -> Held:
        """Begin a request, which holds nothing yet."""
        held = Held(client, cut)
        self._by_client.setdefault(client, {})[held] = None
        self._bytes.setdefault(client, 0)
        return held

    def grow(self, held: Held, size_bytes: int) -> bool:
        """Let a request hold more; False if it may not, and should end with an error, or has been cut."""
        if held.over or not self._make_room(held.client, size_bytes):
            return False
        held.size_bytes += size_bytes
        self._bytes[held.client] += size_bytes
        self.size_bytes += size_bytes
        return True

    def _make_room(self, client: str, size_bytes: int) -> bool:
        while self.size_bytes + size_bytes > self._most:
            crowding = who_yields({**self._bytes, client: self._bytes[client] + size_bytes}, client)
            if crowding is None:
                return False
            largest = max(self._by_client[crowding], key=lambda held: held.size_bytes)
            self.leave(largest)
            self.cut += 1
            largest.cut()
        return True

    def leave(self, held: Held) -> None:
        """End a request; what it held is free."""
        if held.over:
            return
        held.over = True
        self.size_bytes -= held.size_bytes
        self._bytes[held.client] -= held.size_bytes
        requests = self._by_client[held.client]
        del requests[held]
        if not requests:
            del self._by_client[held.client], self._bytes[held.client]
