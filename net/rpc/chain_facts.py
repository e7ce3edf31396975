"""What this chain and its network have beyond Ethereum's schema, as JSON: for the `mappemonde_*` namespace.

Moments and durations are milliseconds as JSON integers, logarithms are Q16 fixed point as JSON integers (65536 is one
bit), sums of wei and work are hex quantities since they pass 2^53.
"""

from chain.block import ChainedHeader, Ticket
from chain.params import ChainParams
from net.core.effects import MapEvent
from net.rpc.encoding import Json, data, quantity
from net.rpc.objects import Object
from net.rpc.ports import MapLink, MapNode, MiningState, PeerFact, PeerWhy, Work


def head_json(block: ChainedHeader, params: ChainParams, *, removed: bool = False) -> Object:
    """Return the consensus facts of a block: when it ripened, by what seal and ticket, and what it weighs."""
    header = block.header
    interval = None if header.height == 0 else block.time - header.parent_time
    return {
        "number": quantity(header.height),
        "hash": data(block.id),
        "parentHash": data(header.parent_id),
        "removed": removed,
        "time": block.time,
        "parentTime": header.parent_time,
        "interval": interval,
        "minedAt": header.mined_at or None,
        "handicap": header.handicap,
        "scheduleError": block.err,
        "logTarget": block.log_target,
        "pow": data(block.sealed.pow.to_bytes(32, "big")),
        "work": quantity(block.work),
        "totalWork": quantity(block.total_work),
        "epoch": params.epoch(header.height),
        "mix": data(header.mix),
        "stakes": data(header.stakes),
        "miner": data(header.miner),
        "extra": data(header.extra),
        "ticket": None if block.sealed.ticket is None else ticket_json(block.sealed.ticket),
    }


def ticket_json(ticket: Ticket) -> Object:
    """Return a validator's ticket."""
    return {
        "validatorKey": data(ticket.validator_key),
        "vrfProof": data(ticket.vrf_proof),
        "rewardAddress": data(ticket.reward_address),
        "signature": data(ticket.signature),
    }


def map_event_json(event: MapEvent) -> Object:
    """Return a link's coming or going."""
    return {
        "event": "connect" if event.connected else "disconnect",
        "origin": event.origin.hex(),
        "target": event.target.hex(),
        "at": event.at,
    }


def peer_json(peer: PeerFact) -> Object:
    """Return a neighbour; never its address."""
    return {
        "id": peer.id.hex(),
        "kind": peer.kind,
        "direction": "out" if peer.outbound else "in",
        "since": peer.since,
        "signalled": peer.signalled,
        "rtt": peer.rtt,
        "head": peer.head_height,
        "bytesIn": peer.bytes_in,
        "bytesOut": peer.bytes_out,
    }


def why_json(why: PeerWhy) -> Object:
    """Return how this node stands with a peer."""
    return {
        "id": why.id.hex(),
        "onMap": why.on_map,
        "reachable": why.reachable,
        "linked": why.linked,
        "banned": why.banned,
        "quarantined": why.quarantined,
        "attempts": [
            {
                "started": attempt.started,
                "ended": attempt.ended,
                "kind": attempt.kind,
                "direction": "out" if attempt.outbound else "in",
                "step": attempt.step,
                "reason": attempt.reason,
            }
            for attempt in why.attempts
        ],
    }


def node_json(node: MapNode) -> Object:
    """Return a peer on the map."""
    return {
        "id": node.id.hex(),
        "born": node.born,
        "seen": node.seen,
        "reachability": node.reachability,
        "degree": node.degree,
    }


def link_json(link: MapLink) -> Object:
    """Return a confirmed link of the map."""
    return {"origin": link.origin.hex(), "target": link.target.hex(), "rttClass": link.rtt_class}


def work_json(work: Work | None) -> Json:
    """Return what a miner hashes, null when there is nothing to do."""
    if work is None:
        return None
    return {
        "id": data(work.id),
        "header": data(work.header),
        "number": quantity(work.height),
        "parentHash": data(work.parent_id),
        "logTarget": work.log_target,
        "sealFloor": work.seal_floor,
        "shareLogTarget": work.share_log_target,
        "limit": data(work.limit.to_bytes(32, "big")),
        "memoryKiB": work.memory_kib,
    }


def mining_json(state: MiningState) -> Object:
    """Return how mining goes, the workers seen last first."""
    return {
        "state": state.state,
        "number": quantity(state.height),
        "hashRate": round(state.hash_rate, 1),
        "workersHashRate": round(sum(worker.hash_rate for worker in state.workers), 1),
        "hashes": state.hashes,
        "bestTime": state.best_time,
        "published": state.published,
        "templates": state.templates,
        "workers": [
            {
                "name": worker.name,
                "shares": worker.shares,
                "blocks": worker.blocks,
                "stale": worker.stale,
                "refused": worker.refused,
                "lastSeen": worker.last_seen,
                "hashRate": round(worker.hash_rate, 1),
            }
            for worker in state.workers
        ],
    }
