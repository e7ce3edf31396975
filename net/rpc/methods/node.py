"""This chain's own facts: the node, its blocks, the coins, its neighbours and the map."""

import asyncio

from chain.primitives.peer import PeerId
from chain.primitives.units import Wei
from chain.staking_registry import SYSTEM_ADDRESS
from net.rpc.chain_facts import head_json, link_json, node_json, peer_json, why_json
from net.rpc.encoding import Json, data, quantity
from net.rpc.kinds import BLOCK, COUNT, HASH_SCHEMA, PEER, QUANTITY_SCHEMA, Selector, Tag
from net.rpc.methods.results import (
    CHAIN_HEAD,
    INTEGER,
    MAP_LINK,
    MAP_NODE,
    NUMBER,
    OBJECT,
    PEER_ID,
    PEER_WHY,
    TEXT,
    array_of,
    nullable,
    record,
)
from net.rpc.methods.results import PEER as PEER_RESULT
from net.rpc.objects import Object
from net.rpc.registry import Method, Param, Where
from net.rpc.services import Services

HEADS_MAX = 256
"""Blocks in one answer of `mappemonde_heads`."""


YIELD_EVERY = 32
"""Peers of a page of the map after which others get a turn: a few milliseconds."""

WHY_WEIGHT = 10
"""Ordinary calls that a search for a route is worth: 2 ms at 20,000 peers."""

MAP_WEIGHT = 100
"""Ordinary calls that a page of the map is worth: 250 peers with their links take the event loop 20 to 40 ms."""


class NodeMethods:
    """Answers about node, chain and network."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._parts = services.parts
        self._params = services.params

    def status(self) -> Json:
        """Return what `mappemonde status` shows."""
        parts = self._parts
        head, safe, finalized = parts.chain.head(), parts.chain.safe(), parts.chain.finalized()
        progress = parts.node.sync()
        peers, links = parts.network.map_size()
        counts = parts.pool.statistics()
        neighbours = parts.network.peers()
        return {
            "version": parts.node.client_version,
            "network": self._params.name,
            "chainId": self._params.chain_id,
            "networkId": data(self._params.network_id),
            "peerId": parts.network.own_id.hex(),
            "startedAt": parts.node.started_at,
            "roles": dict(parts.node.roles()),
            "syncing": None if progress is None else {"current": progress.current, "highest": progress.highest},
            "head": head_json(head, self._params),
            "safe": {"number": quantity(safe.height), "hash": data(safe.id)},
            "finalized": {"number": quantity(finalized.height), "hash": data(finalized.id)},
            "peers": len(neighbours),
            "peersOut": sum(peer.outbound for peer in neighbours),
            "map": {"peers": peers, "links": links},
            "pool": {"pending": counts.pending, "queued": counts.queued},
            "alarms": dict(parts.node.alarms()),
            "hashRate": None if parts.mining is None else round(parts.mining.state().hash_rate, 1),
        }

    def chain(self) -> Json:
        """Return the chain's parameters."""
        params = self._params
        result: Object = {
            "name": params.name,
            "chainId": params.chain_id,
            "networkId": data(params.network_id),
            "genesisTime": params.genesis_time,
            "blockTime": params.block_time,
            "minInterval": params.min_interval,
            "tau": params.tau,
            "scheduleHalfLife": params.schedule_half_life,
            "maxCountedInterval": params.max_counted_interval,
            "gap": params.gap,
            "openHandicap": params.open_handicap,
            "ticketUnit": params.ticket_unit,
            "epochLength": params.epoch_length,
            "stakeStart": params.stake_start,
            "stakeRamp": params.stake_ramp,
            "sealFloor": params.seal_floor,
            "workCap": params.work_cap,
            "genesisLogTarget": params.genesis_log_target,
            "powMemoryKiB": params.pow_memory_kib,
            "gasLimit": quantity(params.gas_limit),
            "maxBodyBytes": params.max_body_bytes,
            "initialBaseFee": quantity(params.initial_base_fee),
            "subsidy": quantity(params.subsidy),
            "halvingInterval": params.halving_interval,
            "minStake": quantity(params.min_stake),
            "unbondingBlocks": params.unbonding_blocks,
        }
        return result

    def head(self, selector: Selector) -> Json:
        """Return the consensus facts of a block, null if there is none."""
        found = self._services.blocks.find(selector)
        return None if found is None else head_json(found, self._params)

    def heads(self, count: int, selector: Selector) -> Json:
        """Return the consensus facts of several blocks, newest first."""
        newest = self._services.blocks.require(selector).height
        heights = range(newest, max(newest - min(count, HEADS_MAX), -1), -1)
        found = (self._parts.chain.header_at(height) for height in heights)
        return [head_json(block, self._params) for block in found if block is not None]

    def supply(self, selector: Selector) -> Json:
        """Return where all coins came from and went, up to a block."""
        block = self._services.blocks.require(selector)
        supply = self._parts.chain.supply(block)
        staked = self._parts.chain.state(block).account(SYSTEM_ADDRESS).balance
        circulating = Wei(supply.issued - supply.burnt)
        return {
            "number": quantity(block.height),
            "hash": data(block.id),
            "premine": quantity(supply.premine),
            "subsidies": quantity(supply.subsidies),
            "ticketRewards": quantity(supply.ticket_rewards),
            "issued": quantity(supply.issued),
            "burnt": quantity(supply.burnt),
            "total": quantity(circulating),
            "staked": quantity(staked),
        }

    def peers(self) -> Json:
        """Return the neighbours."""
        return [peer_json(peer) for peer in self._parts.network.peers()]

    def why_peer(self, peer: PeerId) -> Json:
        """Return how this node stands with a peer, and where recent attempts at a link ended."""
        return why_json(self._parts.network.why(peer))

    async def map(self, after: PeerId | None, limit: int) -> Json:
        """Return a page of the global map: peers in the order of their ids, and the links they chose."""
        network = self._parts.network
        page = network.map_nodes(after, max(1, min(limit, self._services.limits.map_page)))
        links: list[Json] = []
        for number, node in enumerate(page, 1):
            links += [link_json(link) for link in network.map_links(node.id)]
            if number % YIELD_EVERY == 0:
                await asyncio.sleep(0)
        peers_total, links_total = network.map_size()
        more = bool(page) and bool(network.map_nodes(page[-1].id, 1))
        return {
            "peers": peers_total,
            "confirmedLinks": links_total,
            "nodes": [node_json(node) for node in page],
            "links": links,
            "next": page[-1].id.hex() if more else None,
        }

    def health(self) -> Json:
        """Return the figures of the map's health by name."""
        return dict(self._parts.network.health())


def node_methods(services: Services) -> list[Method]:
    """Return the methods of node, chain and network."""
    it = NodeMethods(services)
    block = Param("block", BLOCK, Tag.LATEST)
    supply = record(
        "supply",
        number=QUANTITY_SCHEMA,
        hash=HASH_SCHEMA,
        premine=QUANTITY_SCHEMA,
        subsidies=QUANTITY_SCHEMA,
        ticketRewards=QUANTITY_SCHEMA,
        issued=QUANTITY_SCHEMA,
        burnt=QUANTITY_SCHEMA,
        total=QUANTITY_SCHEMA,
        staked=QUANTITY_SCHEMA,
    )
    page = record(
        "page of the map",
        peers=INTEGER,
        confirmedLinks=INTEGER,
        nodes=array_of(MAP_NODE),
        links=array_of(MAP_LINK),
        next=nullable(PEER_ID),
    )
    status = record(
        "status",
        version=TEXT,
        network=TEXT,
        chainId=INTEGER,
        networkId=HASH_SCHEMA,
        peerId=PEER_ID,
        startedAt=INTEGER,
        roles=OBJECT,
        syncing=nullable(OBJECT),
        head=CHAIN_HEAD,
        safe=OBJECT,
        finalized=OBJECT,
        peers=INTEGER,
        peersOut=INTEGER,
        map=OBJECT,
        pool=OBJECT,
        alarms=OBJECT,
        hashRate=nullable(NUMBER),
    )
    return [
        Method("mappemonde_status", "The node at a glance", (), status, it.status),
        Method("mappemonde_chain", "Parameters of the chain", (), OBJECT, it.chain),
        Method(
            "mappemonde_head",
            "Consensus facts of a block: ticket, delay, seal, work",
            (block,),
            nullable(CHAIN_HEAD),
            it.head,
        ),
        Method(
            "mappemonde_heads",
            f"Consensus facts of up to {HEADS_MAX} blocks, newest first",
            (Param("count", COUNT), block),
            array_of(CHAIN_HEAD),
            it.heads,
            Where.WORKER,
        ),
        Method("mappemonde_supply", "Coins issued and burnt up to a block", (block,), supply, it.supply),
        Method(
            "mappemonde_whyPeer",
            "Why there is a link with a peer, or none",
            (Param("peer", PEER),),
            PEER_WHY,
            it.why_peer,
            weight=WHY_WEIGHT,
        ),
        Method("mappemonde_peers", "The neighbours", (), array_of(PEER_RESULT), it.peers),
        Method(
            "mappemonde_map",
            "A page of the global map; `next` is the `after` of the page that follows",
            (Param("after", PEER, None), Param("limit", COUNT, services.limits.map_page)),
            page,
            it.map,
            Where.WAIT,
            weight=MAP_WEIGHT,
        ),
        Method("mappemonde_health", "Health of the map, by the figures' names", (), OBJECT, it.health),
    ]
