"""Options that many commands share, in one spelling."""

import click

rpc_option = click.option(
    "--rpc",
    default="http://127.0.0.1:8545",
    show_default=True,
    envvar="MAPPEMONDE_RPC",
    help="Address of the node's RPC.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
