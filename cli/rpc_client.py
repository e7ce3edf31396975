"""JSON-RPC calls from commands to a running node, and the one place that reads the untrusted JSON of its answers."""

import http.client
import json
import math
import re
import socket
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from urllib.parse import SplitResult, quote, urlsplit

from chain.primitives.errors import NodeError
from cli.exit_codes import ExitCode
from cli.json_texts import parse_json

TIMEOUT_SECONDS = 30.0
"""Longest silence of a node."""

WHOLE_ANSWER = 4
"""An answer may take this many times the longest silence: a byte now and then is none."""

MAX_REPLY_BYTES = 32 << 20
"""More than the longest answer of a node (`net.rpc.policy`: 25 MiB)."""

MAX_TEXT = 1_000
"""Characters of an error's text that are shown."""

MAX_DIGITS = 40
"""Digits of a JSON integer: sums of wei, which are longer, are texts."""

_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_MARKS = re.compile(rb"[\\\x7f-\xff]")
"""What a reply without unprintable characters has none of: escapes, DEL, and bytes that are no ASCII."""


class RpcUnreachable(NodeError):
    """No node answers at the address."""

    exit_code = ExitCode.RPC


class RpcRefused(NodeError):
    """The node answered with an error, or with something else than was asked for."""

    exit_code = ExitCode.RPC

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


class Answer(dict[str, object]):
    """An object in an answer; a member that is missing is the node's fault."""

    def __missing__(self, name: str) -> object:
        """Raise `RpcRefused` in place of `KeyError`."""
        raise RpcRefused(0, f"the node's answer has no {name}: is it of another version?")


def quantity(value: object) -> int:
    """Return the number of a quantity in an answer. Raises `RpcRefused` when it is none."""
    if not isinstance(value, str) or not _QUANTITY.fullmatch(value):
        raise _unexpected(value, "a quantity")
    return int(value, 16)


def integer(value: object) -> int:
    """Return a JSON integer of an answer. Raises `RpcRefused` when it is none."""
    if type(value) is not int:
        raise _unexpected(value, "an integer")
    return value


def real(value: object) -> float:
    """Return a JSON number of an answer. Raises `RpcRefused` when it is none."""
    if type(value) is not int and type(value) is not float:
        raise _unexpected(value, "a number")
    return float(value)


def as_object(value: object) -> dict[str, object]:
    """Return an object in an answer. Raises `RpcRefused` when it is none."""
    if not isinstance(value, dict):
        raise _unexpected(value, "an object")
    return value


def as_list(value: object) -> list[object]:
    """Return an array in an answer. Raises `RpcRefused` when it is none."""
    if not isinstance(value, list):
        raise _unexpected(value, "an array")
    return value


def raw_bytes(value: object, size: int | None = None) -> bytes:
    """Return the bytes of hexadecimal digits in an answer. Raises `RpcRefused` when they are none, or not so many."""
    try:
        found = bytes.fromhex(value[2:]) if isinstance(value, str) and value.startswith("0x") else None
    except ValueError:
        found = None
    if found is None or (size is not None and len(found) != size):
        raise _unexpected(value, "bytes in hexadecimal" if size is None else f"{size} bytes in hexadecimal")
    return found


def _unexpected(value: object, expected: str) -> RpcRefused:
    return RpcRefused(0, f"the node answered {str(value)[:40]!r} where {expected} was expected")


def node_address(url: str) -> SplitResult:
    """Return the parts of a node's address. Raises `RpcUnreachable` when it is none that can be called."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
        usable = parts.scheme in ("http", "https") and host.encode("idna") and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise RpcUnreachable(f"{url[:200]!r} is not an http:// or https:// address of a node")
    if "@" in parts.netloc:
        raise RpcUnreachable("the address of a node has a user's name in it, which is not sent: leave it out")
    return parts


def parse_reply(raw: bytes, url: str) -> object:
    """Return the JSON of a reply, unprintable characters in its texts as escapes, so that none can write on a terminal.

    Raises `RpcRefused` when it is none, or has numbers of no use.
    """
    try:
        parsed = parse_json(raw, object_hook=Answer, parse_int=_short, parse_float=_finite, parse_constant=_finite)
        return _printable(parsed) if _MARKS.search(raw) else parsed
    except ValueError:
        raise RpcRefused(0, f"{url} did not answer with JSON-RPC: is it a node's RPC address?") from None


def result_of(reply: object, url: str) -> object:
    """Return the result in a reply. Raises `RpcRefused` for an error, or what is no reply."""
    if not isinstance(reply, dict) or ("result" not in reply and "error" not in reply):
        raise RpcRefused(0, f"{url} did not answer with JSON-RPC: is it a node's RPC address?")
    error = reply.get("error")
    if error is None:
        return reply.get("result")
    told: Mapping[str, object] = error if isinstance(error, dict) else {}
    code = told.get("code")
    raise RpcRefused(
        code if type(code) is int else 0, str(told.get("message", "no message"))[:MAX_TEXT], told.get("data")
    )


def printable(text: str) -> str:
    """Return a text with escapes in place of what a terminal would take for an order."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _short(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError("an integer of too many digits")
    return int(digits)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("a number out of range")
    return number


def _printable(value: object) -> object:
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, list):
        return [_printable(entry) for entry in value]
    if isinstance(value, dict):
        return Answer({printable(name): _printable(member) for name, member in value.items()})
    return value


class _HangUp:
    """Ends a connection after a time, whatever it is busy with: a timeout of the socket begins anew with each byte."""

    def __init__(self, connection: socket.socket, seconds: float) -> None:
        self.over = False
        self._connection = connection
        self._timer = threading.Timer(seconds, self._hang_up)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        """Let the connection be."""
        self._timer.cancel()

    def _hang_up(self) -> None:
        self.over = True
        with suppress(OSError):  # closed meanwhile
            socket.socket.shutdown(self._connection, socket.SHUT_RDWR)  # for TLS too: nothing is said any more


_QUERY = "/?%:@!$&'()*+,;=~"


class RpcClient:
    """One node's JSON-RPC over HTTP; a new connection for each call, so that an object may live long."""

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS, token: str = "") -> None:
        """Take an http URL, and the operator's token for admin methods. Raises `RpcUnreachable` when it is none."""
        self._parts = node_address(url)
        self.url = url
        self._timeout = timeout_seconds
        self._next_id = 0
        self._token = token

    def call(self, method: str, *parameters: object) -> object:
        """Return the result of a method. Raises `RpcUnreachable` or `RpcRefused`."""
        self._next_id += 1
        body = {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": list(parameters)}
        reply = self._post(json.dumps(body).encode())
        result = result_of(reply, self.url)
        if not isinstance(reply, dict) or reply.get("id") != self._next_id:
            raise RpcRefused(0, f"{self.url} answered another question than was asked")
        return result

    def number(self, method: str, *parameters: object) -> int:
        """Return the result of a method that answers with a quantity. Raises as `call` does."""
        return quantity(self.call(method, *parameters))

    def record(self, method: str, *parameters: object) -> dict[str, object]:
        """Return the result of a method that answers with an object. Raises as `call` does."""
        return as_object(self.call(method, *parameters))

    def batch(self, calls: Sequence[tuple[str, Sequence[object]]]) -> list[object]:
        """Return the results of several calls in one request, in order. Raises as `call` does, for the first error."""
        if not calls:
            return []
        bodies = [
            {"jsonrpc": "2.0", "id": number, "method": method, "params": list(parameters)}
            for number, (method, parameters) in enumerate(calls)
        ]
        reply = self._post(json.dumps(bodies).encode())
        if not isinstance(reply, list):
            result_of(reply, self.url)  # raises the error of the whole batch
            raise RpcRefused(0, f"{self.url} did not answer a batch with a list")
        answers = {
            entry.get("id"): entry for entry in reply if isinstance(entry, dict) and type(entry.get("id")) is int
        }
        return [result_of(answers.get(number), self.url) for number in range(len(calls))]

    def _post(self, body: bytes) -> object:
        secure = self._parts.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connect(self._parts.hostname or "", self._parts.port, timeout=self._timeout)
        path = quote(self._parts.path or "/", safe="/%:@!$&'()*+,;=~")
        query = f"?{quote(self._parts.query, safe=_QUERY)}" if self._parts.query else ""
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        late = None
        try:
            connection.connect()
            late = _HangUp(connection.sock, self._timeout * WHOLE_ANSWER)
            connection.request("POST", path + query, body, headers)
            response = connection.getresponse()
            raw = response.read(MAX_REPLY_BYTES + 1)
            if late.over:
                raise TimeoutError
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            if late is not None and late.over:
                reason = "no whole answer in time"
            raise RpcUnreachable(
                f"no node answers at {self.url} ({printable(reason)[:MAX_TEXT]}); is it running? --rpc names another"
            ) from None
        finally:
            if late is not None:
                late.cancel()
            connection.close()
        if response.status != http.HTTPStatus.OK:
            reason = printable(response.reason)[:80]
            raise RpcRefused(response.status, f"{self.url} answered HTTP {response.status} {reason}")
        if len(raw) > MAX_REPLY_BYTES:
            raise RpcRefused(0, f"{self.url} answered with over {MAX_REPLY_BYTES} bytes")
        return parse_reply(raw, self.url)
