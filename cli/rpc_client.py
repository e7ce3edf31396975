"""JSON-RPC calls from commands to a running node."""

import http.client
import json
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


class RpcClient:
    """One node's JSON-RPC over HTTP; a new connection for each call, so that an object may live long."""

    def __init__(self, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Take an http URL. Raises `RpcUnreachable` when it is none."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise RpcUnreachable(f"{url!r} is not an http:// or https:// address of a node")
        self.url = url
        self._parts = parts
        self._timeout = timeout_seconds
        self._next_id = 0

    def call(self, method: str, *parameters: object) -> object:
        """Return the result of a method. Raises `RpcUnreachable` or `RpcRefused`."""
        self._next_id += 1
        body = json.dumps({"jsonrpc": "2.0", "id": self._next_id, "method": method, "params": list(parameters)})
        reply = self._post(body.encode())
        error = reply.get("error")
        if isinstance(error, dict):
            raise RpcRefused(int(error.get("code", 0)), str(error.get("message", "no message")), error.get("data"))
        return reply.get("result")

    def _post(self, body: bytes) -> dict[str, object]:
        secure = self._parts.scheme == "https"
        connect = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = connect(self._parts.hostname or "", self._parts.port, timeout=self._timeout)
        try:
            connection.request("POST", self._parts.path or "/", body, {"Content-Type": "application/json"})
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
            reply = json.loads(raw) if len(raw) <= MAX_REPLY_BYTES else None
        except ValueError:
            reply = None
        if not isinstance(reply, dict):
            raise RpcRefused(0, f"{self.url} did not answer with JSON-RPC: is it a node's RPC address?")
        return reply
