"""What a node, or whatever else answers at its address, may send to a command: taken, or refused in a sentence."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from cli.commands.network import UnexpectedAnswer, fetch_map
from cli.mining_client.link import NodeLink
from cli.rpc_client import Answer, RpcClient, RpcRefused, RpcUnreachable, integer, quantity, real
from cli.staking.report import all_owners
from cli.texts import seconds, size_text, when

Serve = Callable[[socket.socket], None]


@contextmanager
def served(serve: Serve) -> Iterator[str]:
    """Answer each connection by `serve`, in a thread; gives the address."""
    connections: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connections.append(connection)
                    try:
                        read_request(connection)
                        serve(connection)
                    except OSError:
                        continue  # the client has gone: what these tests want

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for connection in connections:  # not every system tells a sender at once that nobody reads any more
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            thread.join()


def read_request(connection: socket.socket) -> bytes:
    """Take a request in to its end and return its first line."""
    length = 0
    with connection.makefile("rb") as stream:
        lines = list(iter(stream.readline, b"\r\n"))
        for line in lines:
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        stream.read(length)
    return lines[0].strip()


def sending(body: bytes, head: bytes = b"HTTP/1.1 200 OK\r\n") -> Serve:
    """Return what answers every request alike."""
    return lambda connection: connection.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def answering(members: object) -> Serve:
    """Return what answers every call with one reply."""
    return sending(json.dumps(members).encode())


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:99999",
        "http://127.0.0.1:x",
        "http://[::1",
        f"http://{'a' * 70}.com",
        "http://",
        "ftp://127.0.0.1",
        "127.0.0.1:8545",
        "http://127.0.0.1:1/\nX: y",
        "http://user:secret@127.0.0.1:1",
    ],
)
async def test_what_is_no_address_of_a_node_is_refused_at_once(url: str) -> None:
    with pytest.raises(RpcUnreachable) as refused:
        RpcClient(url)
    with pytest.raises(RpcUnreachable):
        NodeLink(url)
    assert "secret" not in str(refused.value)


def test_path_and_query_of_an_address_are_kept() -> None:
    asked: list[bytes] = []

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run() -> None:
            connection, _ = listener.accept()
            with connection:
                asked.append(read_request(connection))
                answering({"jsonrpc": "2.0", "id": 1, "result": "0x1"})(connection)

        thread = threading.Thread(target=run)
        thread.start()
        assert RpcClient(f"http://127.0.0.1:{listener.getsockname()[1]}/é/rpc?key=7").call("x") == "0x1"
        thread.join()
    assert asked == [b"POST /%C3%A9/rpc?key=7 HTTP/1.1"]


BAD_REPLIES = [
    b"",
    b"<html>",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"\xff",
    b"[]",
    b"7",
    b'{"jsonrpc": "2.0", "id": 1, "result": NaN}',
    b'{"jsonrpc": "2.0", "id": 1, "result": 1e999}',
    b'{"jsonrpc": "2.0", "id": 1, "result": ' + b"9" * 100 + b"}",
    b'{"jsonrpc": "2.0", "id": 1, "result": ' + b"9" * 5_000 + b"}",
    b'{"jsonrpc": "2.0", "id": 99, "result": 1}',
    b'{"jsonrpc": "2.0", "id": [], "result": 1}',
    b'{"jsonrpc": "2.0", "id": 1, "error": {"code": "x", "message": "no"}}',
    b'{"jsonrpc": "2.0", "id": 1, "error": {"code": null}}',
    b'{"jsonrpc": "2.0", "id": 1, "error": {"code": 1e400}}',
    b'{"jsonrpc": "2.0", "id": 1, "error": "no"}',
]


@pytest.mark.parametrize("body", BAD_REPLIES, ids=range(len(BAD_REPLIES)))
async def test_a_reply_that_is_none_is_refused(body: bytes) -> None:
    with served(sending(body)) as url:
        with pytest.raises(RpcRefused):
            RpcClient(url).call("eth_chainId")
        with pytest.raises(RpcRefused):
            RpcClient(url).batch([("eth_chainId", ())])


@pytest.mark.parametrize("entry", [{"id": []}, {"id": {}}, {"id": None}, 7, [], {"id": 5, "result": "0x1"}])
async def test_a_batch_whose_ids_are_none_is_refused(entry: object) -> None:
    with served(answering([entry])) as url, pytest.raises(RpcRefused):
        RpcClient(url).batch([("a", ()), ("b", ())])


@pytest.mark.parametrize(
    "serve",
    [
        lambda connection: forever(connection, b"HTTP/1.1 100 Continue\r\n\r\n"),
        lambda connection: forever(
            connection, b"x", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n"
        ),
    ],
    ids=["interim answers", "one body"],
)
def test_an_answer_that_never_ends_is_given_up(serve: Serve) -> None:
    with served(serve) as url, pytest.raises(RpcUnreachable, match="no whole answer in time"):
        RpcClient(url, timeout_seconds=0.05).call("eth_chainId")


def forever(connection: socket.socket, part: bytes, before: bytes = b"") -> None:
    connection.sendall(before)
    while True:
        connection.sendall(part)


def test_what_a_node_says_cannot_write_on_the_terminal() -> None:
    text = "\x1b]0;owned\x07\x9b2J\u202eok\ud800\x7f\n"
    members = {"jsonrpc": "2.0", "id": 1, "result": {text: [{"a": text}]}}
    with served(answering(members)) as url:
        answer = RpcClient(url).record("x")
    shown = r"\x1b]0;owned\x07\x9b2J\u202eok\ud800\x7f\n"
    assert answer == {shown: [{"a": shown}]}
    error = {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": text * 10_000}}
    with served(answering(error)) as url, pytest.raises(RpcRefused) as refused:
        RpcClient(url).call("x")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) <= 1_000
    with (
        served(sending(b"", b"HTTP/1.1 500 \x1b[2J\r\n")) as url,
        pytest.raises(RpcRefused) as refused,
    ):
        RpcClient(url).call("x")
    assert str(refused.value).isprintable()
    with (
        served(lambda connection: connection.sendall(b"\x1b[2Jno http\r\n\r\n")) as url,
        pytest.raises(RpcUnreachable) as silent,
    ):
        RpcClient(url).call("x")
    assert str(silent.value).isprintable()


@pytest.mark.parametrize(
    "value",
    [None, "", "0x", "-0x1", "0x-1", "0x1_0", " 0x1", "10", 16, True, "0x" + "f" * 65, "0x" + "f" * 5_000, "0x٣"],
)
def test_what_is_no_quantity_is_refused(value: object) -> None:
    with pytest.raises(RpcRefused):
        quantity(value)


def test_quantities_are_read() -> None:
    assert (quantity("0x0"), quantity("0x1f"), quantity("0x" + "f" * 64)) == (0, 31, 2**256 - 1)
    assert (integer(-5), real(2), real(0.5)) == (-5, 2.0, 0.5)


@pytest.mark.parametrize("value", [None, "5", True, 1.5, [], {}])
def test_what_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(RpcRefused):
        integer(value)
    with pytest.raises(RpcRefused):
        when(value)
    with pytest.raises(RpcRefused):
        size_text(value)
    if value is not None:
        with pytest.raises(RpcRefused):
            seconds(value)


@pytest.mark.parametrize("value", [10**17, -(10**17), 10**39])
def test_a_time_out_of_all_calendars_is_refused(value: int) -> None:
    with pytest.raises(RpcRefused):
        when(value)


class Endless(RpcClient):
    """A node whose lists never end."""

    def __init__(self) -> None:
        super().__init__("http://127.0.0.1:1")
        self.asked = 0

    def call(self, method: str, *parameters: object) -> object:
        self.asked += 1
        assert self.asked < 1_000, f"{method} is asked for ever"
        entries = [{"owner": "0x" + "11" * 20}] * 10_000
        return {"nodes": entries, "links": [], "next": "more", "validators": entries, "count": 10**18}


def test_lists_without_end_are_given_up() -> None:
    for ask in (fetch_map, all_owners):
        with pytest.raises((UnexpectedAnswer, RpcRefused)):
            ask(Endless())


def test_a_member_that_is_missing_is_named() -> None:
    with pytest.raises(RpcRefused, match="number"):
        Answer({"a": 1})["number"]
