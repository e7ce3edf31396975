"""JSON-RPC over one kept-alive HTTP connection to the miner's node: calls, and batches of them."""

from collections.abc import Sequence
from http import HTTPStatus

import aiohttp

from cli.rpc_client import RpcRefused, RpcUnreachable, node_address, parse_reply, printable, result_of

TIMEOUT_SECONDS = 25.0
"""Longest wait for an answer: the node's long poll takes 15 s, its calls 20 s at most."""

CONNECT_SECONDS = 5.0

MAX_REPLY_BYTES = 1 << 20
"""Work has under 2 kB, a batch of verdicts 5 kB; more is no answer of a node."""

Call = tuple[str, tuple[object, ...]]
"""Method and parameters."""


class NodeLink:
    """One node's RPC. Use it as an async context manager, from one event loop."""

    def __init__(self, url: str) -> None:
        """Take an http URL. Raises `RpcUnreachable` when it is none."""
        node_address(url)
        self.url = url
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> "NodeLink":
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS, connect=CONNECT_SECONDS)
        # Nothing is unpacked: a few bytes can stand for gigabytes, and a node packs nothing unasked.
        self._session = aiohttp.ClientSession(
            timeout=timeout, auto_decompress=False, headers={"Accept-Encoding": "identity"}
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def call(self, method: str, *parameters: object) -> object:
        """Return the result of a method. Raises `RpcUnreachable` or `RpcRefused`."""
        return result_of(await self._post(_request(0, (method, parameters))), self.url)

    async def batch(self, calls: Sequence[Call]) -> list[object | RpcRefused]:
        """Return the results of several calls in their order, errors among them as values.

        Raises `RpcUnreachable` or `RpcRefused` when the node did not answer the batch as such.
        """
        replies = await self._post([_request(index, call) for index, call in enumerate(calls)])
        if not isinstance(replies, list):
            result_of(replies, self.url)  # raises the error of the whole batch
            raise RpcRefused(0, f"{self.url} did not answer a batch with a list")
        found: dict[int, object | RpcRefused] = {}
        for reply in replies:
            number = reply.get("id") if isinstance(reply, dict) else None
            if type(number) is not int:
                continue
            try:
                found[number] = result_of(reply, self.url)
            except RpcRefused as error:
                found[number] = error
        missing = RpcRefused(0, "no answer in the batch")
        return [found.get(index, missing) for index in range(len(calls))]

    async def _post(self, body: object) -> object:
        assert self._session is not None, "calls are made inside the context manager"
        try:
            async with self._session.post(self.url, json=body, allow_redirects=False) as response:
                raw = bytearray()
                async for part in response.content.iter_chunked(1 << 16):
                    raw += part
                    if len(raw) > MAX_REPLY_BYTES:
                        raise RpcRefused(0, f"{self.url} answered with over {MAX_REPLY_BYTES} bytes")
                status, reason = response.status, printable(response.reason or "")[:80]
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            text = printable(str(getattr(error, "os_error", None) or error) or type(error).__name__)[:200]
            raise RpcUnreachable(f"no node answers at {self.url} ({text})") from None
        if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise RpcUnreachable(f"{self.url} answered HTTP {status} {reason}")
        if status != HTTPStatus.OK:
            raise RpcRefused(status, f"{self.url} answered HTTP {status} {reason}")
        return parse_reply(bytes(raw), self.url)


def _request(number: int, call: Call) -> dict[str, object]:
    method, parameters = call
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": list(parameters)}
