"""One WebSocket: its calls, its subscriptions, and a bounded queue of what it is to be sent."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable

from aiohttp import WSCloseCode, WSMsgType, web

from chain.primitives.units import Millis
from net.rpc.dispatcher import Dispatcher, Request
from net.rpc.encoding import dump
from net.rpc.errors import LIMIT_EXCEEDED, RpcError, limited
from net.rpc.feed import Feed, Subscription
from net.rpc.in_flight import InFlight
from net.rpc.policy import RpcLimits
from net.rpc.registry import Caller, Topic
from net.rpc.topics import Subject, Subscribed

HEARTBEAT_SECONDS = 30.0
"""Interval of pings; a client that does not answer one is gone."""


FAIR_UNREAD_BYTES = 64 * 1024
"""What a client that reads may have unread at any moment: it is spared when all together have too much."""


class Unread:
    """Bytes waiting for all WebSockets together; the sessions change it."""

    def __init__(self) -> None:
        self.size_bytes = 0


class Tally:
    """Subscriptions of all WebSockets, and of each client, however many it opens; the sessions change it.

    Each costs the event loop 0.1 ms for everything that it is told of.
    """

    def __init__(self, most: int, per_client: int) -> None:
        self._most = most
        self._per_client = per_client
        self._held: Counter[str] = Counter()

    def take(self, client: str | None) -> None:
        """Count a subscription; `client` is None for this machine's own. Raises `RpcError` at the limits."""
        if self._held.total() >= self._most:
            raise limited("too many subscriptions on this node, try again later")
        if client is not None and self._held[client] >= self._per_client:
            raise limited(f"more than {self._per_client} subscriptions of one address")
        self._held[client or ""] += 1

    def give_back(self, client: str | None) -> None:
        """Count the end of a subscription."""
        self._held[client or ""] -= 1
        if not self._held[client or ""]:
            del self._held[client or ""]


class Session:
    """A client's socket. Everything runs on the event loop's thread."""

    def __init__(
        self,
        socket: web.WebSocketResponse,
        feed: Feed,
        limits: RpcLimits,
        *,
        entropy: Callable[[int], bytes],
        unread: Unread,
        tally: Tally,
        client: str | None,
        abort: Callable[[], None],
    ) -> None:
        """`client` is whose subscriptions are counted together, None for this machine; `abort` cuts the connection."""
        self._socket = socket
        self._tally = tally
        self._client = client
        self._unread = unread
        self._abort = abort
        self._feed = feed
        self._limits = limits
        self._entropy = entropy
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._woken = asyncio.Event()
        self._drained = asyncio.Event()
        self._drained.set()
        self._subscriptions: dict[str, Subscription] = {}
        self._beginning: list[Subscription] = []
        self.end: tuple[int, str] | None = None
        """Why the server ends the connection: close code and reason."""

    # notifications

    def subscribe(self, topic: Topic) -> str:
        """Begin a subscription; its notifications start after the answer that tells its id."""
        assert isinstance(topic, Subscribed), "topics of this server are `Subscribed` records"
        if len(self._subscriptions) >= self._limits.subscriptions_per_socket:
            raise limited(f"more than {self._limits.subscriptions_per_socket} subscriptions on one connection")
        kept = sum(found.wish.parts for found in self._subscriptions.values())
        if topic.parts and kept + topic.parts > self._limits.kept_criteria:
            raise limited(f"more than {self._limits.kept_criteria} addresses and topics on one connection")
        self._tally.take(self._client)
        name = "0x" + self._entropy(16).hex()
        subscription = Subscription(name, topic, self)
        self._subscriptions[name] = subscription
        self._beginning.append(subscription)
        return name

    def unsubscribe(self, subscription: str) -> bool:
        """End a subscription; False if there is none of this id."""
        found = self._subscriptions.pop(subscription, None)
        if found is None:
            return False
        self._tally.give_back(self._client)
        if found in self._beginning:
            self._beginning.remove(found)
        self._feed.remove(found)
        return True

    def notify(self, text: bytes) -> None:
        """Queue a notification; a client that leaves too many unread is dropped, since it must not lack any."""
        if self.end is not None:
            return
        if len(self._queue) >= self._limits.notifications_queued:
            self._finish(WSCloseCode.TRY_AGAIN_LATER, "too slow: notifications were not read in time")
        else:
            self._put(text)

    def lost(self, subject: Subject) -> None:
        """End the connection: the client would miss something without knowing."""
        self._finish(WSCloseCode.TRY_AGAIN_LATER, f"notifications of {subject.value} were lost: subscribe anew")

    def _put(self, text: bytes) -> None:
        crowded = self._unread.size_bytes > self._limits.unread_bytes_in_all and self._queued_bytes > FAIR_UNREAD_BYTES
        if crowded or self._queued_bytes > self._limits.unread_bytes:
            self._finish(WSCloseCode.TRY_AGAIN_LATER, "too slow: answers were not read in time")
            return
        self._queue.append(text)
        self._count(len(text))
        self._woken.set()
        if self._queued_bytes > self._limits.socket_message_bytes:
            self._drained.clear()

    def _count(self, size_bytes: int) -> None:
        self._queued_bytes += size_bytes
        self._unread.size_bytes += size_bytes

    def _finish(self, code: int, reason: str) -> None:
        if self.end is None:
            self.end = (code, reason)
            self._queue.clear()
            self._count(-self._queued_bytes)
            self._drained.set()
            self._woken.set()
            # a client that reads nothing does not read the farewell either
            asyncio.get_running_loop().call_later(self._limits.socket_farewell / 1000, self._abort)

    # sending

    async def write(self) -> None:
        """Send what is queued until the connection is to end, then close it."""
        while self.end is None:
            await self._woken.wait()
            self._woken.clear()
            while self._queue and self.end is None:
                text = self._queue.popleft()
                self._count(-len(text))
                await self._socket.send_str(text.decode("ascii"))
            if not self._drained.is_set():
                self._drained.set()
        code, reason = self.end
        await self._socket.close(code=code, message=reason.encode())

    async def room(self) -> None:
        """Wait while the client has much unread: no further message of it is taken until it has read its answers."""
        await self._drained.wait()

    def reply(self, text: bytes | None) -> None:
        """Queue an answer, then let the subscriptions that it told of begin."""
        if self.end is not None:
            return
        if text is not None:
            self._put(text)
        for subscription in self._beginning:
            self._feed.add(subscription)
        self._beginning.clear()

    def close(self) -> None:
        """Forget the subscriptions of a connection that is gone."""
        for subscription in self._subscriptions.values():
            self._tally.give_back(self._client)
            self._feed.remove(subscription)
        self._subscriptions.clear()
        self._beginning.clear()
        self._finish(WSCloseCode.GOING_AWAY, "closed")


class SocketServer:
    """Answers the calls of one session."""

    def __init__(
        self,
        session: Session,
        socket: web.WebSocketResponse,
        dispatcher: Dispatcher,
        limits: RpcLimits,
        *,
        caller: Caller,
        take: Callable[[int], bool],
        charge: Callable[[int], None],
        clock: Callable[[], Millis],
        flight: InFlight,
        abort: Callable[[], None],
    ) -> None:
        """`take` asks the rate limit for a number of calls, `charge` tells it of an answer's bytes; `abort` cuts the
        connection."""
        self._session = session
        self._socket = socket
        self._dispatcher = dispatcher
        self._limits = limits
        self._caller = caller
        self._take = take
        self._charge = charge
        self._clock = clock
        self._flight = flight
        self._abort = abort
        self._slots = asyncio.Semaphore(limits.socket_calls)

    async def serve(self) -> None:
        """Serve until the client or the server ends the connection."""
        async with asyncio.TaskGroup() as tasks:
            writer = tasks.create_task(self._session.write(), name="rpc socket writer")
            try:
                await self._read(tasks)
            finally:
                self._session.close()  # at once, though calls may still run: nobody hears their answers
                writer.cancel()

    async def _read(self, tasks: asyncio.TaskGroup) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                body = message.data.encode("utf-8", "surrogatepass")
            elif message.type is WSMsgType.BINARY:
                body = message.data
            else:
                break
            await self._slots.acquire()
            await self._session.room()
            request = self._dispatcher.read(body)
            if not self._take(request.calls):
                request = Request(refused=RpcError(LIMIT_EXCEEDED, "rate limit exceeded"))
            tasks.create_task(self._answer(request), name="rpc socket call")

    async def _answer(self, request: Request) -> None:
        held = self._flight.enter(self._caller.client, self._abort)
        try:
            answer = await self._dispatcher.answer(
                request, self._caller, lambda size_bytes: self._flight.grow(held, size_bytes)
            )
            if answer is not None:
                self._charge(len(answer))
            self._session.reply(answer)
            await self._session.room()  # a long answer is in flight until the client has read it
        finally:
            self._flight.leave(held)
            self._slots.release()


def refusal(error: RpcError) -> bytes:
    """Return the text that refuses a whole request."""
    return b'{"jsonrpc":"2.0","id":null,"error":' + dump(error.as_json()) + b"}"
