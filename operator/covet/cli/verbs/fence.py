"""`kubectl covet fence`: an instance is kept out of service until a person lets it back."""

import click

from covet.cli import access, completing, failures, orders, session


@click.command("fence")
@completing.cluster_argument
@click.argument("instance", shell_complete=completing.instances)
@click.option("-y", "--yes", is_flag=True, help="Do not ask, also where writes stop.")
@session.kubectl_options
@click.pass_obj
def command(called: session.Session, /, *, cluster: str, instance: str, yes: bool, **options: str | None) -> None:
    """Keep an instance out of service until it is unfenced.

    It neither leads, nor acknowledges, nor serves, whatever restarts meanwhile. Asks first if the shard
    would stop to take writes. Of a primary the shard elects another one.
    """

    async def verb(opened: access.Access) -> None:
        why = orders.stops_writes(await opened.read(cluster), instance)
        if why is not None and not yes and not click.confirm(f"Note that {why}. Fence it", err=True):
            raise failures.Failure(failures.Exit.REFUSED, f"{instance} was not fenced.")
        seen, written = await access.order(opened, cluster, orders.fence(instance))
        if not written:
            click.echo(f"{instance} is fenced already.")
            return
        leads = any(shard.primary == instance for shard in seen.status.shards)
        click.echo(f"Fenced: {instance}{', the primary; another one is elected' if leads else ''}.")

    called.run(session.target_of(options), verb)
