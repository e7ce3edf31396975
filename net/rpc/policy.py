"""Whom the RPC server serves and within which limits: all of it is the operator's to set.

Every limit bounds what a client can make grow; behind each stands what is done when it is reached.
"""

from dataclasses import dataclass, field

from chain.primitives.units import Millis, Wei

KIB = 1024
MIB = 1024 * 1024

MIN_TIP = Wei(1)


@dataclass(frozen=True, slots=True)
class RpcLimits:
    """Bounds on what clients may send, ask, keep and receive."""

    body_bytes: int = 5 * MIB
    """Longest HTTP body; above: HTTP 413."""
    socket_message_bytes: int = 512 * KIB
    """Longest WebSocket message; above, the socket is closed with 1009. Shorter than a body: an unfinished message
    holds its memory for as long as its sender likes. The longest transaction has 256 KiB of digits."""
    socket_farewell: Millis = Millis(2_000)
    """How long a WebSocket that the server closes may take to say good-bye before it is cut."""
    batch_calls: int = 1000
    """Most calls in a batch; above: one error for the whole batch, nothing is run."""
    json_parts: int = 100_000
    """Most brackets, braces and commas in a body: parsed JSON can take thirty times the memory of its text. A batch of
    1,000 ordinary calls has about 10,000."""
    json_depth: int = 32
    """Deepest nesting; a log filter needs 5."""
    bodies_in_flight_bytes: int = 64 * MIB
    """Sum of the bodies being read and answered, and of their answers; above, the largest request of the client that
    holds most is cut, and that client gets HTTP 503 (clients retry it) or -32005."""
    response_bytes: int = 25 * MIB
    """Longest answer, single or batch; the calls past it are answered `response too large`."""
    connections: int = 2_000
    """Open connections, HTTP and WebSocket; above: closed at once."""
    connections_per_address: int = 128
    """The same from one address (loopback excepted, where a reverse proxy or the owner sits)."""
    websockets: int = 1_500
    """Open WebSockets; above: HTTP 503."""
    calls_per_second: int = 500
    """Sustained calls per address (every call of a batch counts, heavy ones more: `Method.weight`, and so do the bytes
    of answers: `guard.BYTES_A_CALL`); loopback is excepted. Above: HTTP 429, -32005."""
    calls_burst: int = 2_000
    """Calls an address may make at once after a pause; at least `batch_calls`."""
    addresses: int = 10_000
    """Addresses whose rate is remembered; above, the one seen longest ago is forgotten."""
    header_timeout: Millis = Millis(10_000)
    """A request's line and headers must arrive within this (slow-loris)."""
    body_timeout: Millis = Millis(15_000)
    """A body must arrive within this; above: HTTP 408 and the connection is closed."""
    answer_timeout: Millis = Millis(30_000)
    """A long answer must have been read within this, else its connection is cut: it holds memory until then."""
    keepalive: Millis = Millis(60_000)
    """An idle HTTP connection is closed after this."""
    call_timeout: Millis = Millis(20_000)
    """Longest answer of one call or batch before it gets -32002."""
    workers: int = 2
    """Threads for calls that take long (whole blocks, proofs, logs); scans of logs never hold the last of several."""
    worker_queue: int = 64
    """Calls waiting for a worker, and scans of logs as many again; above: -32005 for the client with most of them."""
    filters: int = 2_000
    """Filters in all; above, the client with most of them loses the one it asked for longest ago."""
    filters_per_owner: int = 128
    """Filters of one address or WebSocket."""
    filter_idle: Millis = Millis(300_000)
    """A filter not asked for this long is forgotten (`filter not found`)."""
    filter_backlog: int = 10_000
    """Hashes or logs a filter may collect between two questions; above, it is forgotten."""
    filter_bytes: int = 4 * MIB
    """The same in bytes of their JSON text and `filters.ITEM_BYTES` for each: 4,500 logs of staking, 36,000 hashes."""
    filter_bytes_in_all: int = 64 * MIB
    """What all filters together may have collected; above, the client with most of it loses its largest filter."""
    socket_calls: int = 64
    """Calls of one WebSocket being answered at once; above, its next message waits to be read."""
    feed_backlog: int = 256
    """Blocks waiting to be told to subscribers while the node catches up; above, `newHeads` skips to the newest, and
    subscriptions and filters of logs, which would lack some, are ended."""
    subscriptions_per_socket: int = 64
    """Subscriptions of one WebSocket; above: -32005."""
    subscriptions_per_address: int = 128
    """Subscriptions of all WebSockets of one address, loopback excepted; above: -32005."""
    subscriptions: int = 4_096
    """Subscriptions in all; above: -32005. Each costs the event loop 0.1 ms for everything that it is told of."""
    notifications_queued: int = 512
    """Messages waiting for a slow WebSocket when a notification comes; above, it is closed with 1013."""
    unread_bytes: int = 8 * MIB
    """Answers and notifications waiting for one WebSocket when another comes; above, it is closed with 1013."""
    unread_bytes_in_all: int = 128 * MIB
    """The same of all WebSockets together; above, those that leave over 64 KiB unread are closed as they get more."""
    log_blocks: int = 10_000
    """Blocks one `eth_getLogs` may span."""
    log_receipts: int = 200_000
    """Receipts one `eth_getLogs` may read."""
    log_results: int = 10_000
    """Logs one `eth_getLogs` may return."""
    log_criteria: int = 1_000
    """Addresses, and topics per position, of a log filter."""
    kept_criteria: int = 5_000
    """Addresses and topics in all log filters of one address or WebSocket, and in all log subscriptions of one
    WebSocket: one of the largest, half a megabyte. Above: -32005."""
    fee_history_blocks: int = 1_024
    """Most blocks of `eth_feeHistory`; more are cut to this, as clients expect."""
    fee_history_transactions: int = 50_000
    """Transactions whose tips one `eth_feeHistory` may read; above: -32005."""
    fee_percentiles: int = 100
    proof_slots: int = 1_024
    """Slots of one `eth_getProof`."""
    call_data_bytes: int = 128 * KIB
    """Data of one call or estimate."""
    access_list_parts: int = 4_096
    """Addresses and slots in the access list of one call or estimate."""
    work_wait: Millis = Millis(15_000)
    """How long `mappemonde_getWork` waits for new work; below `call_timeout`."""
    work_waiters: int = 256
    """Miners waiting at once; above, the client with most of them is answered early, or gets -32005."""
    map_page: int = 250
    """Peers in one answer of `mappemonde_map`."""


@dataclass(frozen=True, slots=True)
class RpcPolicy:
    """Where the server listens and whom it answers."""

    host: str = "127.0.0.1"
    """Address to listen on; loopback by default."""
    port: int = 8545
    """HTTP and, at `/ws`, WebSocket; 0 takes a free port."""
    allowed_hosts: tuple[str, ...] = ()
    """Names a request's Host header may carry (without port) besides `localhost` and plain IP addresses, which no
    rebinding of DNS can forge; `*` for all."""
    cors_origins: tuple[str, ...] = ()
    """Origins (`https://app.example`) whose pages may call; `*` for all; none by default."""
    admin_token: str | None = None
    """Bearer token of the admin methods, at least 32 characters; None turns them off. The composition root reads it
    from a file: it is never on a command line."""
    min_tip: Wei = MIN_TIP
    """Smallest tip per gas that this node's pool takes: fee advice never goes below it."""
    limits: RpcLimits = field(default_factory=RpcLimits)
