"""The parts of one mesh, made and joined: what each asks of another is a plain query, nothing is called back."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from chain.primitives.errors import Malformed, StorageError
from chain.primitives.peer import PeerId
from chain.primitives.units import Hash32, Millis
from net.core.app.requests import Requests
from net.core.app.topics import TopicSpec
from net.core.clock.mesh_clock import MeshClock
from net.core.clock.sources import Sources
from net.core.config import MeshConfig
from net.core.guard.guard import Guard
from net.core.health.monitor import HealthMonitor
from net.core.identity.identity import Identity
from net.core.map.checks import Checks
from net.core.map.gossip import Gossip
from net.core.map.horizon import Horizon
from net.core.map.loading import reread_from
from net.core.map.own import OWN_BLOB
from net.core.map.peer_map import PeerMap
from net.core.map.reconcile import Reconciler
from net.core.overlay.anchors import ANCHORS_BLOB
from net.core.overlay.annoyance import Deeds
from net.core.overlay.overlay import Overlay, Surroundings
from net.core.overlay.upkeep import Upkeep
from net.core.ports import RecordArchive
from net.core.relay.plan import RandomPlan
from net.core.relay.relay import Relay, RelayTopic
from net.core.routing.courier import Courier

Part = TypeVar("Part")

BANS_BLOB = "bans"
"""Name of the blob that holds strikes and bans."""


@dataclass(frozen=True, slots=True)
class Parts:
    """One of each."""

    config: MeshConfig
    identity: Identity
    peer_map: PeerMap
    gossip: Gossip
    reconciler: Reconciler
    guard: Guard
    clock: MeshClock
    sources: Sources
    courier: Courier
    overlay: Overlay
    upkeep: Upkeep
    relay: Relay
    requests: Requests
    health: HealthMonitor


def assemble(
    config: MeshConfig,
    identity: Identity,
    topics: Sequence[TopicSpec],
    *,
    rng: Random,
    entropy: Callable[[int], bytes],
    archive: RecordArchive,
    blobs: Mapping[str, bytes],
    checks: Checks,
) -> Parts:
    """Return the parts, joined. Raises `StorageError` when a blob is damaged, naming it."""

    specs = {spec.number: spec for spec in topics}
    assert len(specs) == len(topics), "two topics under one number"
    relayed = {
        spec.number: RelayTopic(spec.max_bytes, spec.priority, spec.max_pending) for spec in topics if spec.relayed
    }
    horizon = Horizon(identity.peer, config.map_hops, entropy(16)) if config.map_hops else None
    keeps = horizon.keeps if horizon is not None else None
    reread = reread_from(archive, checks.decode)
    peer_map = PeerMap(entropy(8), reread, keeps=keeps, changes=checks.changes, summand=checks.summand)
    clock = MeshClock(trusted=config.trust_own_clock)
    guard = _restored(BANS_BLOB, blobs, Guard)
    network = Hash32(config.network_id)

    def make_gossip(stored: bytes) -> Gossip:
        return Gossip(
            network, identity, peer_map, archive, checks, rng=rng, entropy=entropy, stored=stored, horizon=horizon
        )

    gossip = _restored(OWN_BLOB, blobs, make_gossip)
    known = any(origin != identity.peer for origin, _ in archive.items())
    courier = Courier(identity, peer_map, rng=rng, entropy=entropy, life=config.offer_life, signed=checks.signed)

    relay = Relay(relayed, RandomPlan(rng))
    requests = Requests(specs, timeout=config.request_timeout)

    def has_route(peer: PeerId, now: Millis) -> bool:
        return courier.reachable(peer, clock.mesh_time(now))

    def deeds(peer: PeerId) -> Deeds:
        tally = relay.conduct.of(peer)
        news, outdated = gossip.spread.flows.conduct(peer)
        account = gossip.pulls.conduct(peer)
        answered, silent = requests.conduct(peer)
        return Deeds(
            useful=tally.useful + news + account.late + answered,
            repeated=tally.repeated,
            outdated=outdated,
            given=tally.given,
            echoed=tally.echoed,
            stalled=tally.stalled + account.kept_back + silent,
            handed=account.handed,
            kept_back=account.kept_back,
        )

    around = Surroundings(
        view=peer_map,
        mesh_time=clock.mesh_time,
        fingerprint=gossip.fingerprint,
        banned=guard.banned,
        bans=lambda now: [ban.peer for ban in guard.bans(now)],
        has_route=has_route,
        unconfirmed=gossip.unconfirmed,
        clock_agreed=lambda: clock.agreed,
        deeds=deeds,
    )

    def make_overlay(stored: bytes) -> Overlay:
        return Overlay(identity, config, around, rng=rng, entropy=entropy, anchors=stored)

    overlay = _restored(ANCHORS_BLOB, blobs, make_overlay)
    return Parts(
        config=config,
        identity=identity,
        peer_map=peer_map,
        gossip=gossip,
        reconciler=Reconciler(gossip, rng=rng, entropy=entropy, joining=not known),
        guard=guard,
        clock=clock,
        sources=Sources(entropy(16), peer_map, identity.peer),
        courier=courier,
        overlay=overlay,
        upkeep=Upkeep(overlay),
        relay=relay,
        requests=requests,
        health=HealthMonitor(identity.peer, peer_map, rng, surveys=config.surveys),
    )


def _restored(name: str, blobs: Mapping[str, bytes], make: Callable[[bytes], Part]) -> Part:
    try:
        return make(blobs.get(name, b""))
    except Malformed as error:
        raise StorageError(f"the stored {name!r} is damaged ({error}): remove it to start without") from None
