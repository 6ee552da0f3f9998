"""`kubectl covet why`: what was decided about a shard last, by which numbers, and what would change it."""

import json

import click

from covet.cli import completing, explaining, session


@click.command("why")
@completing.cluster_argument
@click.option("--shard", required=True, metavar="SHARD", shell_complete=completing.shards, help="Shard, e.g. s0.")
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", help="Form of the output.")
@session.kubectl_options
@click.pass_obj
def command(called: session.Session, /, *, cluster: str, shard: str, output: str, **options: str | None) -> None:
    """Explain where a shard stands, and what would change it.

    Shows the last decision, the last failover, the rule in force and the quorum arithmetic. It
    counts what the operator saw last; the members count for themselves and may see each other where
    the operator sees none of them.
    """
    seen = called.run(session.target_of(options), lambda opened: opened.read(cluster))
    found = seen.shard(shard)
    if output == "json":
        click.echo(json.dumps(explaining.document(seen, found), indent=2))
        return
    session.show(*explaining.explain(seen, found, called.outside.clock.wall()))
