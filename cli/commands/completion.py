"""`completion`: the shell's script that completes commands and options."""

import click
from click.shell_completion import get_completion_class

COMPLETE_VARIABLE = "_MAPPEMONDE_COMPLETE"
"""Variable by which the script asks the program; click derives it from the program's name."""


@click.command("completion")
@click.argument("shell", type=click.Choice(("bash", "zsh", "fish")))
@click.pass_context
def completion_command(ctx: click.Context, shell: str) -> None:
    """Print the script that completes commands and options in SHELL.

    \b
    bash:  mappemonde completion bash > ~/.local/share/bash-completion/completions/mappemonde
    zsh:   mappemonde completion zsh > a directory of $fpath, as the file _mappemonde
    fish:  mappemonde completion fish > ~/.config/fish/completions/mappemonde.fish
    """
    root = ctx.find_root().command
    found = get_completion_class(shell)
    assert found is not None, "click knows the three shells of the choice"
    click.echo(found(root, {}, "mappemonde", COMPLETE_VARIABLE).source())
