"""`kubectl covet completion`: what makes the Tab key complete the command."""

import click

from covet.cli import completing


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion of kubectl-covet for a shell.

    \b
      source <(kubectl-covet completion bash)

    `kubectl covet` itself is completed by kubectl, which asks the program kubectl_complete-covet
    beside this one; it takes kubectl 1.26 and `source <(kubectl completion bash)`.
    """  # noqa: D301 -- the mark by which click leaves lines as they are
    click.echo(completing.script(shell))
