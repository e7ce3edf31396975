"""How a client finds out which chain and which node this is."""

from chain.primitives.hashing import keccak256
from net.rpc.encoding import Json, data, quantity
from net.rpc.kinds import BOOL_SCHEMA, HASH_SCHEMA, QUANTITY_SCHEMA, data_kind
from net.rpc.methods.results import OBJECT, TEXT, array_of
from net.rpc.registry import Method, Param
from net.rpc.services import Services


def chain_methods(services: Services) -> list[Method]:
    """Return the methods of chain discovery."""
    parts, params = services.parts, services.params
    chain_id, network_id = quantity(params.chain_id), str(params.chain_id)

    def block_number() -> Json:
        return quantity(parts.chain.head().height)

    def syncing() -> Json:
        progress = parts.node.sync()
        if progress is None:
            return False
        return {
            "startingBlock": quantity(progress.starting),
            "currentBlock": quantity(progress.current),
            "highestBlock": quantity(progress.highest),
        }

    def sha3(raw: bytes) -> Json:
        return data(keccak256(raw))

    return [
        Method("eth_chainId", "EIP-155 chain id", (), QUANTITY_SCHEMA, lambda: chain_id),
        Method("net_version", "Chain id in decimal digits", (), TEXT, lambda: network_id),
        Method("web3_clientVersion", "Name and version of the node", (), TEXT, lambda: parts.node.client_version),
        Method("eth_blockNumber", "Height of the head", (), QUANTITY_SCHEMA, block_number),
        Method(
            "eth_syncing",
            "Progress of the catch-up, or false",
            (),
            {"anyOf": [BOOL_SCHEMA, OBJECT]},
            syncing,
        ),
        Method("net_listening", "Always true: a node that runs takes links", (), BOOL_SCHEMA, lambda: True),
        Method(
            "net_peerCount",
            "Number of neighbours",
            (),
            QUANTITY_SCHEMA,
            lambda: quantity(len(parts.network.peers())),
        ),
        Method("eth_accounts", "Always empty: the node holds no keys", (), array_of(TEXT), lambda: []),
        Method(
            "web3_sha3",
            "Keccak-256 of some bytes",
            (Param("data", data_kind("HashedData", services.limits.call_data_bytes)),),
            HASH_SCHEMA,
            sha3,
        ),
    ]
