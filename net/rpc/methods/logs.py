"""Logs, filters that clients poll, and Ethereum's subscriptions."""

from net.rpc.encoding import Dumped, Json
from net.rpc.errors import SERVER_ERROR, RpcError, failed, invalid_params
from net.rpc.filters import FilterKind
from net.rpc.kinds import BOOL_SCHEMA, FILTER_ID, HASH_SCHEMA
from net.rpc.logs import LogCriteria, criteria_kind
from net.rpc.methods.results import LOG, TEXT, array_of
from net.rpc.registry import Caller, Kind, Method, Param, Schema, Where
from net.rpc.services import Services
from net.rpc.topics import ETH_SUBJECTS, Subject, Subscribed, subject_kind

EVERYTHING = LogCriteria(None, None, None, frozenset(), ())

CHANGES: Schema = {"type": "array", "items": {"anyOf": [HASH_SCHEMA, LOG]}}


def no_socket() -> RpcError:
    """Return the error of a subscription over HTTP."""
    return RpcError(SERVER_ERROR, "notifications not supported: subscribe over WebSocket (/ws)")


def unsubscribe(caller: Caller, subscription: str) -> Json:
    """End a subscription of the caller's socket."""
    if caller.socket is None:
        raise no_socket()
    if not caller.socket.unsubscribe(subscription):
        raise failed("subscription not found")
    return True


class FilterMethods:
    """Answers of filters."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._table = services.filters

    def new_blocks(self, caller: Caller) -> Json:
        """Make a filter of new blocks."""
        return self._table.add(FilterKind.BLOCKS, caller, self._services.clock())

    def new_pending(self, caller: Caller, _full: bool) -> Json:  # noqa: FBT001  # as clients pass it
        """Make a filter of transactions that become pending."""
        return self._table.add(FilterKind.PENDING, caller, self._services.clock())

    def new_logs(self, caller: Caller, criteria: LogCriteria) -> Json:
        """Make a filter of logs."""
        return self._table.add(FilterKind.LOGS, caller, self._services.clock(), criteria)

    def changes(self, name: str) -> Dumped:
        """Return what happened since the last question."""
        return Dumped(b"[" + b",".join(self._table.take(name, self._services.clock())) + b"]")

    async def all_logs(self, name: str) -> Json:
        """Return all logs that a filter means, old ones too."""
        found = self._table.get(name, self._services.clock())
        if found.criteria is None:
            raise failed("filter not found")
        return await self._services.workers.scan(self._services.scanner.scan, found.criteria)

    def uninstall(self, name: str) -> Json:
        """Forget a filter."""
        return self._table.remove(name)

    def subscribe(self, caller: Caller, subject: Subject, options: object) -> Json:
        """Begin a subscription on the caller's socket."""
        if caller.socket is None:
            raise no_socket()
        if subject is Subject.LOGS:
            criteria = options if isinstance(options, LogCriteria) else EVERYTHING
            return caller.socket.subscribe(Subscribed(subject, criteria=criteria))
        return caller.socket.subscribe(Subscribed(subject, full=options is True))


def log_methods(services: Services) -> list[Method]:
    """Return the methods of logs, filters and subscriptions."""
    it = FilterMethods(services)
    criteria = criteria_kind(services.limits)
    options = _options_kind(criteria)
    name, wanted = Param("filterId", FILTER_ID), Param("filter", criteria)
    return [
        Method("eth_getLogs", "Logs of stored blocks", (wanted,), array_of(LOG), services.scanner.scan, Where.SCAN),
        Method("eth_newFilter", "Make a filter of logs", (wanted,), TEXT, it.new_logs, takes_caller=True),
        Method("eth_newBlockFilter", "Make a filter of new blocks", (), TEXT, it.new_blocks, takes_caller=True),
        Method(
            "eth_newPendingTransactionFilter",
            "Make a filter of transactions that become pending",
            (Param("full", options, default=False),),
            TEXT,
            it.new_pending,
            takes_caller=True,
        ),
        Method("eth_getFilterChanges", "What happened since the last question", (name,), CHANGES, it.changes),
        Method("eth_getFilterLogs", "All logs of a filter", (name,), array_of(LOG), it.all_logs, Where.WAIT),
        Method("eth_uninstallFilter", "Forget a filter", (name,), BOOL_SCHEMA, it.uninstall),
        Method(
            "eth_subscribe",
            "Be notified (WebSocket only)",
            (Param("subject", subject_kind(ETH_SUBJECTS)), Param("options", options, default=False)),
            TEXT,
            it.subscribe,
            takes_caller=True,
        ),
        Method(
            "eth_unsubscribe",
            "End a subscription",
            (Param("subscription", FILTER_ID),),
            BOOL_SCHEMA,
            unsubscribe,
            takes_caller=True,
        ),
    ]


def _options_kind(criteria: Kind) -> Kind:
    def decode(value: object) -> object:
        if isinstance(value, bool):
            return value
        if isinstance(value, dict):
            return criteria.decode(value)
        raise invalid_params("invalid argument: true, false or a log filter expected")

    return Kind("SubscriptionOptions", {"anyOf": [BOOL_SCHEMA, criteria.schema]}, decode)
