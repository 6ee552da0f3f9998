"""`kubectl covet shards`: every instance of every shard."""

import json

import click

from covet.cli import completing, session, views


@click.command("shards")
@completing.cluster_argument
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", help="Form of the output.")
@session.kubectl_options
@click.pass_obj
def command(called: session.Session, /, *, cluster: str, output: str, **options: str | None) -> None:
    """Show the instances of each shard: role, state, lag, vote, node."""
    seen = called.run(session.target_of(options), lambda opened: opened.read(cluster))
    if output == "json":
        click.echo(json.dumps(views.shards_document(seen), indent=2))
        return
    session.show(*views.shards(seen))
