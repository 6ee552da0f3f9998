"""`kubectl covet resume`: the operator goes on with a cluster."""

import click

from covet.cli import access, completing, orders, session, views
from covet.core import names


@click.command("resume")
@completing.cluster_argument
@session.kubectl_options
@click.pass_obj
def command(called: session.Session, /, *, cluster: str, **options: str | None) -> None:
    """Let the operator go on after a pause.

    What was changed and ordered meanwhile is carried out now. Removes spec.maintenance.paused.
    """
    seen, written = called.run(session.target_of(options), lambda opened: access.amend(opened, cluster, orders.resume))
    if not written:
        click.echo(f"{cluster} is not paused.")
        return
    click.echo(f"Resumed: {cluster}.")
    if names.ANNOTATION_RESTART in seen.annotations:
        session.tell("Ordered before and carried out now: a restart of every instance.")
    for verb, shard, instance in views.orders(seen.annotations):
        session.tell(f"Ordered before and carried out now: {verb} of {shard} to {instance}.")
