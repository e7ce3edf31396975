"""Host names of rendezvous, looked up aside: strangers tell us URLs, and their name servers may never answer.

A lookup cannot be cancelled. uvloop's run on four threads that it waits for at its end: behind eight silent names an
honest one waits its turn for a minute, and so does the node's stop. So each lookup here has a thread of its own, which
nobody waits for, and there are few.
"""

import asyncio
import errno
import socket
import threading

from aiohttp.abc import AbstractResolver, ResolveResult

LOOKUPS_MAX = 32
"""Most lookups under way, those included that nobody waits for any more: a resolver gives up after some 30 s, and eight
calls at once hang up after 10 s each."""


class Names(AbstractResolver):
    """Looks names up for calls of rendezvous. One for a node; its methods are called on the loop."""

    def __init__(self) -> None:
        self._under_way = 0

    @property
    def under_way(self) -> int:
        """Lookups that have not ended."""
        return self._under_way

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of a name. Raises `OSError`."""
        if self._under_way >= LOOKUPS_MAX:
            raise OSError(errno.EAGAIN, f"{LOOKUPS_MAX} names are looked up already")
        loop = asyncio.get_running_loop()
        found: asyncio.Future[list[ResolveResult]] = loop.create_future()

        def tell(addresses: list[ResolveResult] | None, error: OSError | None) -> None:
            self._under_way -= 1
            if found.done():
                return  # the call has hung up
            if addresses is None:
                found.set_exception(error or OSError(errno.EADDRNOTAVAIL, "no address"))
            else:
                found.set_result(addresses)

        def look() -> None:
            addresses, failure = None, None
            try:
                addresses = _addresses(host, port, family)
            except OSError as error:
                failure = error
            except UnicodeError:  # a name that IDNA does not allow
                failure = OSError(errno.EINVAL, "not a host name")
            try:
                loop.call_soon_threadsafe(tell, addresses, failure)
            except RuntimeError:
                return  # the loop has ended, and with it all that could ask

        self._under_way += 1
        threading.Thread(target=look, name="lookup", daemon=True).start()
        return await found

    async def close(self) -> None:
        """Leave the threads to themselves: they end with their lookups or with the process."""


def _addresses(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return [
        ResolveResult(
            hostname=host,
            host=str(address[0]),
            port=port,
            family=kind,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, protocol, _, address in found
    ]
