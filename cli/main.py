"""The command `mappemonde`: commands are loaded when they are asked for, so that `--help` is quick."""

import importlib
import os
import sys

import click

from chain.primitives.errors import ConfigError, ListenError, NodeError, StorageError
from cli.exit_codes import ExitCode

COMMANDS = {
    "run": ("cli.commands.run", "Run a full node."),
    "init": ("cli.commands.run", "Make a data directory with a new identity."),
    "devnet": ("cli.commands.devnet", "Run a network of nodes on this machine."),
    "mine": ("cli.commands.mine", "Hash for a node from another process or machine."),
    "status": ("cli.commands.network", "Show what a node is doing."),
    "peers": ("cli.commands.network", "Show a node's neighbours."),
    "map": ("cli.commands.network", "Show the global map as a node sees it."),
    "wallet": ("cli.commands.wallet", "Make accounts, see balances, pay."),
    "stake": ("cli.commands.stake", "Stake coins to win tickets."),
    "supply": ("cli.commands.supply", "Audit all coins from block 0 on."),
    "show": ("cli.commands.show", "Show a block, transaction, account or validator."),
    "why": ("cli.commands.why", "Explain a block's time, a transaction's fate, a link with a peer."),
    "bans": ("cli.commands.bans", "Show which peers a node keeps away."),
    "unban": ("cli.commands.bans", "Lift a ban."),
    "db": ("cli.commands.db", "Count, verify, prune, compact or repair a stopped node's database."),
    "backup": ("cli.commands.backup", "Copy a stopped node's data directory, to start from it again."),
    "export": ("cli.commands.chain_file", "Write a stopped node's chain into a file."),
    "import": ("cli.commands.chain_file", "Take the blocks of a file in, checking each."),
    "completion": ("cli.commands.completion", "Print the script that completes commands in a shell."),
    "simulate": ("cli.commands.simulate", "Simulate the network or the consensus in virtual time."),
}
"""Module and summary of each command, in the order of `--help`."""


INTERRUPTED = 130
READER_GONE = 141
"""What shells make of the signals SIGINT and SIGPIPE."""


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(COMMANDS[cmd_name][0])
        command = getattr(module, f"{cmd_name}_command")
        assert isinstance(command, click.Command), "each module names its commands <name>_command"
        return command

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; whose reader has gone, as `head` does, need not hear of it."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            for stream in (sys.stdout, sys.stderr):  # what they still hold is written at the end of the process
                os.dup2(nowhere, stream.fileno())
            raise click.exceptions.Exit(READER_GONE) from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="mappemonde")
def cli() -> None:
    """Mappemonde: a blockchain full node whose network knows its own map.

    Start with `mappemonde devnet`, a whole network on this machine. docs/operator.md tells the rest.
    """


def main() -> None:
    """Run the command line: one line for an expected error, with its exit code (`cli.exit_codes`)."""
    try:
        sys.exit(cli.main(standalone_mode=False))
    except click.exceptions.Exit as stop:
        sys.exit(stop.exit_code)
    except click.exceptions.Abort:
        sys.exit(INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(ExitCode.USAGE)
    except NodeError as error:
        click.echo(f"mappemonde: {error}", err=True)
        sys.exit(exit_code_of(error))


def exit_code_of(error: NodeError) -> ExitCode:
    """Return the exit code of an expected error."""
    named = getattr(error, "exit_code", None)
    if isinstance(named, ExitCode):
        return named
    if isinstance(error, ListenError):
        return ExitCode.NETWORK
    if isinstance(error, ConfigError):
        return ExitCode.USAGE
    if isinstance(error, StorageError):
        return ExitCode.STORAGE
    return ExitCode.REFUSED


if __name__ == "__main__":
    main()
