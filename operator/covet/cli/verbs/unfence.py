"""`kubectl covet unfence`: an instance that was fenced is let back."""

import click

from covet.cli import access, completing, orders, session


@click.command("unfence")
@completing.cluster_argument
@click.argument("instance", shell_complete=completing.instances)
@session.kubectl_options
@click.pass_obj
def command(called: session.Session, /, *, cluster: str, instance: str, **options: str | None) -> None:
    """Let a fenced instance back into service, as a replica."""

    async def verb(opened: access.Access) -> None:
        _, written = await access.order(opened, cluster, orders.unfence(instance))
        click.echo(f"Unfenced: {instance}." if written else f"{instance} is not fenced.")

    called.run(session.target_of(options), verb)
