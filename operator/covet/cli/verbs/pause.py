"""`kubectl covet pause`: the operator keeps its hands off a cluster."""

import click

from covet.cli import access, completing, orders, session


@click.command("pause")
@completing.cluster_argument
@session.kubectl_options
@click.pass_obj
def command(called: session.Session, /, *, cluster: str, **options: str | None) -> None:
    """Let the operator change nothing, until resumed.

    It goes on to look and to report, and renews certificates. The databases run on, and fail over: that
    needs no operator.
    Sets spec.maintenance.paused, which whatever applies the object from a repository may take back.
    """
    _, written = called.run(session.target_of(options), lambda opened: access.amend(opened, cluster, orders.pause))
    if not written:
        click.echo(f"{cluster} is paused already.")
        return
    session.say(f"Paused: {cluster}. `kubectl covet resume {cluster}` lets the operator go on.")
