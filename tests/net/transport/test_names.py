"""Host names: what is never answered holds up nobody."""

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest

from net.transport import names, rendezvous
from net.transport.names import Names
from net.transport.rendezvous import CallFailed, call_rendezvous, open_rendezvous
from tests.helpers.transport import until


@pytest.fixture
def silence(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Let lookups of names end when the event is set, and not before."""
    over, real = threading.Event(), socket.getaddrinfo

    def silent(host: str, port: int, *, family: int, type: int, flags: int) -> object:
        if host.endswith(".example"):
            over.wait()
            raise socket.gaierror(socket.EAI_AGAIN, "no answer")
        return real("127.0.0.1" if host == "known.test" else host, port, family=family, type=type, flags=flags)

    monkeypatch.setattr(socket, "getaddrinfo", silent)
    yield over
    over.set()


async def test_names_that_nobody_answers_do_not_hold_up_others(
    silence: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def echo(request: bytes, address: str) -> bytes | None:
        return request

    known = Names()
    server = await open_rendezvous("127.0.0.1", 0, echo)
    silent = [asyncio.ensure_future(call_rendezvous(f"ws://{n}.example:1", b"x", known)) for n in range(8)]
    await until(lambda: known.under_way == len(silent))
    assert await call_rendezvous(f"ws://known.test:{server.port}", b"hello", known) == b"hello"
    assert await asyncio.to_thread(lambda: "free") == "free", "none of the loop's own threads is taken"
    for call in silent:
        call.cancel()
    await asyncio.wait(silent)
    assert known.under_way == len(silent), "nobody waits for the threads"
    assert all(thread.daemon for thread in threading.enumerate() if thread.name == "lookup")
    monkeypatch.setattr(names, "LOOKUPS_MAX", len(silent))
    with pytest.raises(CallFailed, match="already"):
        await call_rendezvous("ws://another.example:1", b"x", known)
    silence.set()
    await until(lambda: known.under_way == 0)
    await server.close()


async def test_a_name_without_address_and_one_that_is_none_fail_the_call(silence: threading.Event) -> None:
    silence.set()
    for host in ("gone.example", "x" * 64 + ".test"):
        with pytest.raises(CallFailed):
            await call_rendezvous(f"ws://{host}:1", b"x", Names())


async def test_a_lookup_that_ends_after_its_call_hung_up_is_nobodys(
    silence: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendezvous, "LIFE_SECONDS", 0.05)
    known = Names()
    with pytest.raises(CallFailed, match="no reply"):
        await call_rendezvous("ws://silent.example:1", b"x", known)
    assert known.under_way == 1
    silence.set()
    await until(lambda: known.under_way == 0)
