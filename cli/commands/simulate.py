"""`simulate`: the network and the consensus in virtual time, over the production code."""

import time
from pathlib import Path

import click

from cli.commands.options import json_option
from cli.commands.progress_line import clear_line, elapsing, show_line
from cli.commands.simulate_stories import add_stories
from cli.pictures import save_picture

seed_option = click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Equal seeds give equal runs."
)


@click.group("simulate")
def simulate_command() -> None:
    """Simulate a network of peers, or the chain's consensus under attack, in virtual time."""


add_stories(simulate_command)


@simulate_command.command("topology")
@click.option(
    "--peers", type=click.IntRange(250, 1_000_000), default=10_000, show_default=True, help="Peers at a time."
)
@click.option(
    "--sessions", type=click.FloatRange(0, 20), default=2.0, show_default=True, help="Mean sessions of churn."
)
@click.option("--runs", type=click.IntRange(1), default=100, show_default=True, help="Crashes of either size.")
@click.option("--sybils/--no-sybils", default=True, help="Also measure the share of 30 and 50 % Sybil ids.")
@click.option("--picture", type=click.Path(path_type=Path), help="Also draw the degrees into this SVG file.")
@seed_option
@json_option
def topology_command(
    peers: int, sessions: float, runs: int, sybils: bool, picture: Path | None, seed: int, as_json: bool
) -> None:
    """Choose neighbours for up to a million peers in arrays, and compare the graph with a random one."""
    import json

    from net.sim.arrays.rules import mainnet_rules
    from net.sim.arrays.topology import SYBIL_SHARES, run

    began = time.monotonic()

    def show(part: str) -> None:
        show_line(f"{part}, {time.monotonic() - began:.0f} s")

    shares = SYBIL_SHARES if sybils else ()
    outcome = run(peers, seed, mainnet_rules(), sessions=sessions, runs=runs, sybil_shares=shares, progress=show)
    clear_line()
    click.echo(json.dumps(outcome.document(), indent=1) if as_json else outcome.table())
    if picture is not None:
        save_picture(picture, outcome.svg())


@simulate_command.command("consensus")
@click.argument("scenario", required=False)
@click.option("--network", type=click.Choice(("mainnet", "testnet", "devnet")), default="mainnet", show_default=True)
@click.option("--size", type=click.IntRange(1), help="Blocks or trials (default: the scenario's own).")
@click.option("--picture", type=click.Path(path_type=Path), help="Also draw the curves into this SVG file.")
@seed_option
@json_option
def consensus_command(
    scenario: str | None, network: str, size: int | None, picture: Path | None, seed: int, as_json: bool
) -> None:
    """Run a scenario of miners, stakers, delays and attackers; without a name, list them."""
    from chain.genesis import load_genesis
    from consensus.sim.scenarios import SCENARIOS, run_scenario

    if scenario is None:
        for name, known in SCENARIOS.items():
            click.echo(f"{name:<16} {known.about}")
        return
    if scenario not in SCENARIOS:
        raise click.UsageError(f"no scenario {scenario}; there are {', '.join(SCENARIOS)}")
    with elapsing(scenario):
        result = run_scenario(scenario, load_genesis(network).params, seed=seed, size=size)
    click.echo(result.to_json() if as_json else result.table())
    if picture is None:
        return
    if result.curves:
        save_picture(picture, result.svg())
    else:
        click.echo(f"{scenario} has no curves: {picture} is not written", err=True)
