"""`status`, `peers` and `map`: what a running node says of itself and of the network."""

import json
import time
from http import HTTPStatus
from pathlib import Path

import click

from chain.primitives.errors import NodeError
from cli.commands.options import json_option, rpc_option
from cli.rpc_client import RpcClient, RpcRefused, as_object, quantity, real
from cli.texts import seconds, size_text, when

MAP_PAGE = 1_000
"""Peers asked for at once; a node tells fewer."""

PATIENCE_SECONDS = 1.0
"""Pause before a page is asked for again that the rate limit of a node elsewhere refused."""

TRIES = 10
"""Refusals in a row after which a map is given up."""

MOST_PEERS = 500_000
"""Peers of a map: five times what the network is made for. A node can tell of more without end."""

MOST_LINKS = 16 * MOST_PEERS
"""Links of a map: each peer has some fourteen, and each link is one of two peers."""


class UnexpectedAnswer(NodeError):
    """The node at the address is not one of ours, or of another version."""


def fetch_object(client: RpcClient, method: str, *parameters: object) -> dict[str, object]:
    """Return the object that a method answers. Raises `UnexpectedAnswer` when it is none."""
    answer = client.call(method, *parameters)
    if not isinstance(answer, dict):
        raise UnexpectedAnswer(f"{client.url} answered {method} with something else than an object")
    return answer


def fetch_map(client: RpcClient) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Return all peers and confirmed links of the map as the node sees it, page by page."""
    nodes: list[dict[str, object]] = []
    links: list[dict[str, object]] = []
    after: object = None
    refusals = 0
    while True:
        try:
            page = fetch_object(client, "mappemonde_map", after, MAP_PAGE)
        except RpcRefused as refused:
            refusals += 1
            if refused.code != HTTPStatus.TOO_MANY_REQUESTS or refusals == TRIES:
                raise
            time.sleep(PATIENCE_SECONDS)
            continue
        refusals = 0
        nodes += objects_of(page["nodes"])
        links += objects_of(page["links"])
        after = page.get("next")
        if after is None:
            return nodes, links
        if len(nodes) > MOST_PEERS or len(links) > MOST_LINKS:
            raise UnexpectedAnswer(f"the map of the node at {client.url} does not end")


def objects_of(value: object) -> list[dict[str, object]]:
    """Return the objects of an array in an answer."""
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


@click.command("status")
@rpc_option
@json_option
def status_command(rpc: str, as_json: bool) -> None:
    """Show what a node is doing: head, neighbours, map, mempool, mining."""
    status = fetch_object(RpcClient(rpc), "mappemonde_status")
    if as_json:
        click.echo(json.dumps(status, indent=2))
        return
    head, map_size, pool = (_part(status, name) for name in ("head", "map", "pool"))
    syncing = status.get("syncing")
    roles = [name for name, on in _part(status, "roles").items() if on]
    lines = [
        ("node", f"{status['peerId']}"),
        ("version", f"{status['version']}, up since {when(status['startedAt'])}"),
        ("network", f"{status['network']}, chain id {status['chainId']}"),
        ("head", f"block {quantity(head['number'])}, {head['hash']}"),
        ("", f"ripe {when(head['time'])}, {seconds(head['interval'])} after its parent"),
        ("safe", f"block {quantity(_part(status, 'safe')['number'])}"),
        ("finalized", f"block {quantity(_part(status, 'finalized')['number'])}"),
        (
            "state",
            f"catching up: {syncing['current']} of {syncing['highest']}"
            if isinstance(syncing, dict)
            else "follows the head",
        ),
        ("links", f"{status['peers']}, {status['peersOut']} of them chosen by this node"),
        ("map", f"{map_size['peers']} peers, {map_size['links']} confirmed links"),
        ("mempool", f"{pool['pending']} pending, {pool['queued']} queued"),
        ("does", ", ".join(roles) or "follows"),
        *(("ALARM", f"{kind}: {text}") for kind, text in _part(status, "alarms").items()),
    ]
    rate = status.get("hashRate")
    if isinstance(rate, int | float) and rate:
        lines.append(("hash rate", f"{rate:.1f} H/s"))
    for name, text in lines:
        click.echo(f"{name:<10} {text}")


@click.command("peers")
@rpc_option
@json_option
def peers_command(rpc: str, as_json: bool) -> None:
    """Show a node's neighbours: every link is a WebRTC data channel."""
    peers = objects_of(RpcClient(rpc).call("mappemonde_peers"))
    if as_json:
        click.echo(json.dumps(peers, indent=2))
        return
    if not peers:
        click.echo("no neighbours yet")
        return
    click.echo(
        f"{'peer':<18} {'kind':<9} {'way':<4} {'signalled':<11} {'rtt':>7} {'block':>8} {'in':>9} {'out':>9}  since"
    )
    for peer in peers:
        rtt = "" if peer["rtt"] is None else f"{peer['rtt']} ms"
        block = "" if peer["head"] is None else peer["head"]
        way = f"{peer['kind']!s:<9} {peer['direction']!s:<4} {peer['signalled']!s:<11}"
        click.echo(
            f"{str(peer['id'])[:16]:<18} {way} {rtt:>7} {block!s:>8} {size_text(peer['bytesIn']):>9} "
            f"{size_text(peer['bytesOut']):>9}  {when(peer['since'])}"
        )


@click.command("map")
@rpc_option
@json_option
@click.option("--picture", type=click.Path(path_type=Path), help="Also draw the map into this SVG file.")
def map_command(rpc: str, as_json: bool, picture: Path | None) -> None:
    """Show the global map as a node sees it: every peer, and every link that both of its ends confirm."""
    client = RpcClient(rpc)
    nodes, links = fetch_map(client)
    if picture is not None:
        from cli.pictures import draw_map, save_picture

        own = str(fetch_object(client, "mappemonde_status")["peerId"])
        save_picture(
            picture,
            draw_map([str(node["id"]) for node in nodes], [(str(a["origin"]), str(a["target"])) for a in links], own),
        )
    if as_json:
        click.echo(json.dumps({"nodes": nodes, "links": links}, indent=2))
        return
    click.echo(f"{len(nodes)} peers, {len(links)} confirmed links" + (f", drawn in {picture}" if picture else ""))
    click.echo(health_text(fetch_object(client, "mappemonde_health")))
    chosen: dict[str, list[str]] = {}
    for link in links:
        chosen.setdefault(str(link["origin"]), []).append(str(link["target"]))
    click.echo(f"{'peer':<18} {'reach':<10} {'links':>5}  {'record':<20} chose")
    for node in nodes:
        targets = " ".join(sorted(target[:8] for target in chosen.get(str(node["id"]), [])))
        click.echo(
            f"{str(node['id'])[:16]:<18} {node['reachability']!s:<10} {node['degree']!s:>5}  "
            f"{when(node['seen']):<20} {targets}"
        )


def health_text(health: dict[str, object]) -> str:
    """Return a line on how well the map hangs together, from the answer of `mappemonde_health`."""
    if not health:
        return "health: not measured yet"
    pieces = health["components"]
    cut = f", weakest cut {health['cutLinks']} links where chance gives {_round(health['cutExpected'], 0)}"
    return (
        f"health: {health['reached']} of {health['linked']} linked peers in reach, {pieces} piece{'s' * (pieces != 1)},"
        f" spectral gap {_round(health['gap'], 2)}, {_round(health['distance'], 2)} hops"
        f" (least possible {_round(health['leastDistance'], 2)})"
        + (cut if health["cutSide"] else "")
        + (f"; ALARM {health['alarm']}" if health["alarm"] else "; no alarm")
    )


def _round(number: object, digits: int) -> str:
    return f"{real(number):.{digits}f}"


def _part(status: dict[str, object], name: str) -> dict[str, object]:
    return as_object(status[name])
