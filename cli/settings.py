"""From the operator's settings to the policy of each part, with the checks that need to know the network."""

from importlib.metadata import version

from chain.block import EXTRA_MAX
from chain.exchange.topics import FEATURES
from chain.mempool.policy import MempoolPolicy
from chain.params import ChainParams
from chain.primitives.errors import ConfigError
from chain.primitives.units import Address, Wei
from cli.config import NodeConfig
from cli.wallet.addresses import parse_address
from cli.wallet.errors import BadAddress
from net.core.config import MeshConfig, Reachability
from net.core.health.tags import Tags, country_tag, operator_tag, release_tag
from net.core.overlay.walk import parse_bootstrap
from net.rpc.policy import RpcPolicy
from net.transport.driver import DriverSettings
from net.transport.ice import IceSettings


def check_settings(config: NodeConfig, params: ChainParams) -> None:
    """Check settings against each other and the network. Raises `ConfigError` that names the setting."""
    if config.mine and not config.reward_address:
        raise ConfigError("mine needs reward_address, the account that receives what is mined: --reward-address 0x...")
    reward_address(config)
    stake_reward_address(config)
    if len(config.extra.encode()) > EXTRA_MAX:
        raise ConfigError(f"extra has {len(config.extra.encode())} bytes; a header holds {EXTRA_MAX}")
    driver_settings(config)
    failure_domains(config)
    for place in config.bootstrap:
        parse_bootstrap(place)


def reward_address(config: NodeConfig) -> Address | None:
    """Return the account to mine for, None if there is none. Raises `ConfigError` when it is no address."""
    return _address("reward_address", config.reward_address)


def stake_reward_address(config: NodeConfig) -> Address | None:
    """Return the account that tickets are rewarded to, None for each stake's owner. Raises `ConfigError`."""
    return _address("stake_reward_address", config.stake_reward_address)


def _address(name: str, text: str) -> Address | None:
    if not text:
        return None
    try:
        return parse_address(text)
    except BadAddress as error:
        raise ConfigError(f"{name}: {error}") from None


def stun_server(config: NodeConfig) -> tuple[str, int] | None:
    """Return address and port of the STUN server to ask. Raises `ConfigError`."""
    if not config.stun:
        return None
    host, _, port = config.stun.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ConfigError(f"stun is {config.stun!r}, not host:port")
    return host, int(port)


def mesh_config(config: NodeConfig, params: ChainParams) -> MeshConfig:
    """Return the policy of the mesh."""
    return MeshConfig(
        network_id=params.network_id,
        id_difficulty=params.id_difficulty,
        rendezvous_url=config.rendezvous_url or None,
        bootstraps=config.bootstrap,
        reachability=_reachability(config, params),
        features=FEATURES,
        map_hops=config.map_hops,
        tags=failure_domains(config),
        # The nodes of a devnet share one machine's clock, and are too few to agree on another.
        trust_own_clock=config.trust_own_clock or params.name == "devnet",
    )


def failure_domains(config: NodeConfig) -> Tags:
    """Return what this node's record tells of where it belongs. Raises `ConfigError`."""
    release = release_tag(version("mappemonde")) if config.tell_release else 0
    return (operator_tag(config.operator), country_tag(config.country), release)


def _reachability(config: NodeConfig, params: ChainParams) -> Reachability | None:
    if config.reachability != "auto":
        return Reachability[config.reachability.upper()]
    # The nodes of a devnet share a machine or its network, and whoever tells a public URL is public.
    return Reachability.PUBLIC if params.name == "devnet" or config.rendezvous_url else None


def driver_settings(config: NodeConfig) -> DriverSettings:
    """Return where the network listens."""
    listener = (config.rendezvous_host, config.rendezvous_port) if config.rendezvous_host else None
    return DriverSettings(
        ice=IceSettings(addresses=config.link_addresses, stun=stun_server(config)),
        rendezvous=listener,
        stun=listener,
    )


def pool_policy(config: NodeConfig) -> MempoolPolicy:
    """Return the policy of the mempool."""
    return MempoolPolicy(
        max_transactions=config.pool_transactions, max_bytes=config.pool_bytes, min_tip=Wei(config.min_tip)
    )


def rpc_policy(config: NodeConfig, admin_token: str) -> RpcPolicy:
    """Return whom the RPC answers."""
    return RpcPolicy(
        host=config.rpc_host,
        port=config.rpc_port,
        allowed_hosts=config.rpc_hosts,
        cors_origins=config.rpc_cors,
        admin_token=admin_token,
        min_tip=Wei(config.min_tip),
    )
