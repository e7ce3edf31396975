"""From the bytes of a request to the bytes of its answer (JSON-RPC 2.0)."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import cast

from chain.call import CallReverted
from chain.primitives.errors import NodeError
from net.rpc.encoding import BadJson, Dumped, Json, data, dump, parse
from net.rpc.errors import (
    FORBIDDEN,
    INVALID_REQUEST,
    LIMIT_EXCEEDED,
    PARSE_ERROR,
    REVERTED,
    SERVER_ERROR,
    TIMED_OUT,
    TOO_LARGE,
    RpcError,
    unknown_method,
)
from net.rpc.policy import RpcLimits
from net.rpc.registry import Caller, Method, Registry, Where
from net.rpc.workers import CLIENT, Workers

log = logging.getLogger(__name__)

YIELD_EVERY = 16
"""Calls of a batch after which other clients get a turn: a millisecond of ordinary calls."""

YIELD_BYTES = 4_096
"""An answer of a batch longer than this gives the others a turn too: it took a millisecond to write."""

FAULTS_LOGGED = 20
"""Faults of our own code written to the log in full; a client must not be able to fill it. All are counted."""

_VERSION = "2.0"
_HEAD = b'{"jsonrpc":"2.0","id":'
_RESULT = b',"result":'
_ERROR = b',"error":'
_NULL_ID = b"null"


@dataclass(frozen=True, slots=True)
class DispatcherStatistics:
    """What has been asked since start."""

    calls: dict[str, int]
    """By method; unknown ones together under `unknown`."""
    errors: dict[int, int]
    """Answers by error code."""
    faults: int
    """Calls that failed by a fault of our own."""


class Dispatcher:
    """Answers requests by the methods of a registry."""

    def __init__(self, registry: Registry, workers: Workers, limits: RpcLimits) -> None:
        self._registry = registry
        self._workers = workers
        self._limits = limits
        self._calls: Counter[str] = Counter()
        self._errors: Counter[int] = Counter()
        self._faults = 0

    def statistics(self) -> DispatcherStatistics:
        """Return the counters."""
        return DispatcherStatistics(dict(self._calls), dict(self._errors), self._faults)

    def read(self, body: bytes) -> "Request":
        """Return the parsed request; what is not JSON is a request whose answer says so."""
        try:
            value = parse(body, max_parts=self._limits.json_parts, max_depth=self._limits.json_depth)
        except BadJson as error:
            return Request(refused=RpcError(PARSE_ERROR, f"parse error: {error}"))
        if isinstance(value, list):
            if not value:
                return Request(refused=RpcError(INVALID_REQUEST, "empty batch"))
            if len(value) > self._limits.batch_calls:
                return Request(
                    refused=RpcError(INVALID_REQUEST, f"batch too large: at most {self._limits.batch_calls} calls")
                )
            return Request(batch=value, calls=sum(map(self._weight, value)))
        return Request(single=value, calls=self._weight(value))

    def _weight(self, call: object) -> int:
        name = call.get("method") if isinstance(call, dict) else None
        method = self._registry.get(name) if isinstance(name, str) else None
        return 1 if method is None else method.weight

    async def answer(
        self, request: "Request", caller: Caller, keep: Callable[[int], bool] = lambda _size_bytes: True
    ) -> bytes | None:
        """Return the text of the answer, None if none is wanted (notifications).

        `keep` is asked for room for each part of it; where there is none, the answer is that the node is busy.
        """
        if request.refused is not None:
            return self._refuse(_NULL_ID, request.refused)
        CLIENT.set(caller.client)
        if request.batch is None:
            answer = await self._call(request.single, caller)
            return answer if answer is None or keep(len(answer)) else self._refuse(_NULL_ID, _no_room())
        try:
            async with asyncio.timeout(self._limits.call_timeout / 1000):
                return await self._batch(request.batch, caller, keep)
        except TimeoutError:
            return self._refuse(_NULL_ID, _timed_out())

    async def _batch(self, calls: list[object], caller: Caller, keep: Callable[[int], bool]) -> bytes | None:
        answers: list[bytes] = []
        room = self._limits.response_bytes
        for number, call in enumerate(calls, 1):
            if room > 0:
                answer = await self._call(call, caller)
            else:
                answer = self._too_large(call)
            if answer is not None:
                if not keep(len(answer)):
                    return self._refuse(_NULL_ID, _no_room())
                answers.append(answer)
                room -= len(answer)
            calls[number - 1] = None  # its memory is free for the answers
            if number % YIELD_EVERY == 0 or (answer is not None and len(answer) > YIELD_BYTES):
                await asyncio.sleep(0)
        return b"[" + b",".join(answers) + b"]" if answers else None

    def _too_large(self, call: object) -> bytes | None:
        if isinstance(call, dict) and "id" in call:
            return self._refuse(_id(call["id"]) or _NULL_ID, RpcError(TOO_LARGE, "response too large"))
        return None

    async def _call(self, call: object, caller: Caller) -> bytes | None:
        """Return the answer to one call."""
        if not isinstance(call, dict):
            return self._refuse(_NULL_ID, RpcError(INVALID_REQUEST, "invalid request"))
        name, given_id = call.get("method"), call.get("id")
        call_id = _id(given_id)
        if call_id is None or call.get("jsonrpc") != _VERSION or not isinstance(name, str):
            return self._refuse(call_id or _NULL_ID, RpcError(INVALID_REQUEST, "invalid request"))
        try:
            method = self._registry.get(name)
            if method is None:
                self._calls["unknown"] += 1
                raise unknown_method(name)
            self._calls[name] += 1
            result = await self._run(method, call.get("params"), caller)
            text = result.text if isinstance(result, Dumped) else dump(result)
            if len(text) > self._limits.response_bytes:
                raise RpcError(TOO_LARGE, "response too large")
        except NodeError as error:
            answer = self._refuse(call_id, _answerable(error))
        except (
            ArithmeticError,
            AssertionError,
            AttributeError,
            LookupError,
            RuntimeError,
            TypeError,
            ValueError,
        ) as error:
            # A fault of ours that some call can provoke must neither stop the node nor be silent.
            self._fault(name, error)
            answer = self._refuse(call_id, RpcError(SERVER_ERROR, "internal error"))
        else:
            answer = _HEAD + call_id + _RESULT + text + b"}"
        return answer if given_id is not None or "id" in call else None

    async def _run(self, method: Method, params: object, caller: Caller) -> "Json | Dumped":
        if method.admin and not caller.admin:
            raise RpcError(FORBIDDEN, f"{method.name} needs the operator's token")
        arguments = method.arguments(params)
        if method.takes_caller:
            arguments.insert(0, caller)
        if method.where is Where.LOOP:
            return cast("Json | Dumped", method.run(*arguments))
        try:
            async with asyncio.timeout(self._limits.call_timeout / 1000):
                if method.where is Where.WORKER:
                    return await self._workers.run(cast("Callable[..., Json]", method.run), *arguments)
                if method.where is Where.SCAN:
                    return await self._workers.scan(cast("Callable[..., Json]", method.run), *arguments)
                return await cast("Awaitable[Json]", method.run(*arguments))
        except TimeoutError:
            raise _timed_out() from None

    def _refuse(self, call_id: bytes, error: RpcError) -> bytes:
        self._errors[error.code] += 1
        return _HEAD + call_id + _ERROR + dump(error.as_json()) + b"}"

    def _fault(self, name: str, error: Exception) -> None:
        self._faults += 1
        if self._faults <= FAULTS_LOGGED:
            log.error("a call of %s failed by a fault of the node", name, exc_info=error)


@dataclass(frozen=True, slots=True)
class Request:
    """A parsed body: a call, a batch, or what is wrong with it."""

    single: object = None
    batch: list[object] | None = None
    refused: RpcError | None = None
    calls: int = 1
    """Ordinary calls that it is worth, for the rate limit."""


def _id(value: object) -> bytes | None:
    """Return an id as it is sent back, None for one that no request may have (arrays and objects)."""
    if type(value) is int:
        return b"%d" % value
    if value is None:
        return _NULL_ID
    if isinstance(value, str | float | bool):
        return dump(value)
    return None


def _no_room() -> RpcError:
    return RpcError(LIMIT_EXCEEDED, "the node is busy, try again later")


def _timed_out() -> RpcError:
    return RpcError(TIMED_OUT, "request timed out")


def _answerable(error: NodeError) -> RpcError:
    if isinstance(error, RpcError):
        return error
    if isinstance(error, CallReverted):
        return RpcError(REVERTED, str(error), data(error.output))
    return RpcError(SERVER_ERROR, str(error))
