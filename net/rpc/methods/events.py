"""Subscriptions to this chain's own events."""

from net.rpc.encoding import Json
from net.rpc.kinds import BOOL_SCHEMA, FILTER_ID
from net.rpc.methods.logs import no_socket, unsubscribe
from net.rpc.methods.results import TEXT
from net.rpc.registry import Caller, Method, Param
from net.rpc.services import Services
from net.rpc.topics import OWN_SUBJECTS, Subject, Subscribed, subject_kind


def event_methods(_services: Services) -> list[Method]:
    """Return the methods of subscriptions under `mappemonde_*`."""

    def subscribe(caller: Caller, subject: Subject) -> Json:
        if caller.socket is None:
            raise no_socket()
        return caller.socket.subscribe(Subscribed(subject))

    return [
        Method(
            "mappemonde_subscribe",
            "Be notified of `heads`, `map` (links that came or went) or `work` (WebSocket only)",
            (Param("subject", subject_kind(OWN_SUBJECTS)),),
            TEXT,
            subscribe,
            takes_caller=True,
        ),
        Method(
            "mappemonde_unsubscribe",
            "End a subscription",
            (Param("subscription", FILTER_ID),),
            BOOL_SCHEMA,
            unsubscribe,
            takes_caller=True,
        ),
    ]
