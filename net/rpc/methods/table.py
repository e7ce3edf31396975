"""All methods, and the one that describes them."""

from net.rpc.encoding import Json
from net.rpc.methods.admin import admin_methods
from net.rpc.methods.blocks import block_methods
from net.rpc.methods.chain import chain_methods
from net.rpc.methods.events import event_methods
from net.rpc.methods.fees import fee_methods
from net.rpc.methods.logs import log_methods
from net.rpc.methods.mining import mining_methods
from net.rpc.methods.mining_state import mining_state_methods
from net.rpc.methods.node import node_methods
from net.rpc.methods.results import OBJECT
from net.rpc.methods.staking import staking_methods
from net.rpc.methods.state import state_methods
from net.rpc.methods.transactions import transaction_methods
from net.rpc.openrpc import describe
from net.rpc.registry import Method, Registry
from net.rpc.services import Services

SUBJECTS = (
    chain_methods,
    fee_methods,
    state_methods,
    block_methods,
    transaction_methods,
    log_methods,
    node_methods,
    staking_methods,
    mining_methods,
    mining_state_methods,
    event_methods,
    admin_methods,
)


def make_registry(services: Services) -> Registry:
    """Return all methods of the node, `rpc.discover` with them."""
    methods = [method for subject in SUBJECTS for method in subject(services)]
    document: list[Json] = []
    methods.append(Method("rpc.discover", "This document (OpenRPC)", (), OBJECT, lambda: document[0]))
    document.append(describe(methods, services.parts.node.client_version))
    return Registry(methods)
