"""JSON-RPC calls from commands to a running node."""

import http.client
import json
from collections.abc import Sequence
from urllib.parse import urlsplit

from chain.primitives.errors import NodeError
from cli.exit_codes import ExitCode

TIMEOUT_SECONDS = 30.0
MAX_REPLY_BYTES = 64 << 20
"""A map of 100,000 peers as JSON is about 30 MB; more is not an answer."""


class RpcUnreachable(NodeError):
    """No node answers at the address."""

    exit_code = ExitCode.RPC


class RpcRefused(NodeError):
    """The node answered with an error."""

    exit_code = ExitCode.RPC

    def __init__(self, code: int, message: str, data: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.data = data


def quantity(value: object) -> int:
    """Return the number of a quantity in an answer. Raises `RpcRefused` when it is none."""
    try:
        return int(str(value), 16)
    except ValueError:
        raise RpcRefused(0, f"the node answered {str(value)[:40]!r} where a number was expected") from None


def as_object(value: object) -> dict[str, object]:
    """Return an object in an answer. Raises `RpcRefused` when it is none."""
    if not isinstance(value, dict):
        raise RpcRefused(0, f"the node answered {str(value)[:40]!r} where an object was expected")
    return value


def as_list(value: object) -> list[object]:
    """Return an array in an answer. Raises `RpcRefused` when it is none."""
    if not isinstance(value, list):
        raise RpcRefused(0, f"the node answered {str(value)[:40]!r} where an array was expected")
    return value


class RpcClient:
    """One node's JSON-RPC over HTTP; a new connection for each call, so that an object may live long."""

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS, token: str = "") -> None:
        """Take an http URL, and the operator's token for admin methods. Raises `RpcUnreachable` when it is none."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RpcUnreachable(f"{url!r} is not an http:// or https:// address of a node")
        self.url = url
        self._parts = parts
        self._timeout = timeout_seconds
        self._next_id = 0
        self._token = token

    def call(self, method: str, *parameters: object) -> object:
        """Return the result of a method. Raises `RpcUnreachable` or `RpcRefused`."""
        self._next_id += 1
        body = {"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": list(parameters)}
        return self._result(self._post(json.dumps(body).encode()))

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
            return [self._result(reply)]  # an error of the whole batch
        answers = {entry.get("id"): entry for entry in reply if isinstance(entry, dict)}
        return [self._result(answers.get(number)) for number in range(len(calls))]

    def _result(self, reply: object) -> object:
        if not isinstance(reply, dict):
            raise RpcRefused(0, f"{self.url} did not answer with JSON-RPC: is it a node's RPC address?")
        error = reply.get("error")
        if isinstance(error, dict):
            raise RpcRefused(int(error.get("code", 0)), str(error.get("message", "no message")), error.get("data"))
        return reply.get("result")

    def _post(self, body: bytes) -> object:
        secure = self._parts.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connect(self._parts.hostname or "", self._parts.port, timeout=self._timeout)
        try:
            headers = {"Content-Type": "application/json"}
            if self._token:
                headers["Authorization"] = f"Bearer {self._token}"
            connection.request("POST", self._parts.path or "/", body, headers)
            response = connection.getresponse()
            raw = response.read(MAX_REPLY_BYTES + 1)
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise RpcUnreachable(
                f"no node answers at {self.url} ({reason}); is it running? --rpc names another"
            ) from None
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise RpcRefused(response.status, f"{self.url} answered HTTP {response.status} {response.reason}")
        try:
            return json.loads(raw) if len(raw) <= MAX_REPLY_BYTES else None
        except ValueError:
            return None
