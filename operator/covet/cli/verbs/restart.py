"""`kubectl covet restart`: every instance is restarted in order, replicas first, without taking writes away."""

import click

from covet.cli import access, completing, orders, restarting, session
from covet.core import clock


@click.command("restart")
@completing.cluster_argument
@click.option("--wait", is_flag=True, help="Wait until every instance was restarted, or the operator refused.")
@click.option("--timeout", type=click.FloatRange(1), default=1800.0, help="Seconds to wait at most; default 1800.")
@session.kubectl_options
@click.pass_obj
def command(called: session.Session, /, *, cluster: str, wait: bool, timeout: float, **options: str | None) -> None:
    """Restart all instances, one at a time.

    Replicas come first; then the primary hands over and comes last. Each waits until the cluster is
    whole. It also brings pods up to date after an upgrade of the operator.
    """

    async def verb(opened: access.Access) -> None:
        await opened.read(cluster)
        # Pods are dated by the API server: by its clock the ones that are there now are older.
        now = (await opened.beside.server()).now or called.outside.clock.wall()
        seen, written = await access.order(opened, cluster, orders.restart(clock.rfc3339(now)))
        moment = orders.restart_of(seen, written)
        if written:
            click.echo(f"Ordered: every instance of {cluster} whose pod is older than {moment} is restarted.")
        else:
            click.echo(f"A restart of what is older than {moment} is under way already.")
        if seen.paused:
            session.tell(f"{cluster} is paused: nothing is restarted before `kubectl covet resume {cluster}`.")
        if wait:
            await restarting.until_done(opened, seen, moment, timeout, session.tell)
            click.echo(f"Done: every pod of {cluster} was made after {moment}.")
        else:
            session.tell(f"`kubectl covet status {cluster}` shows what is left.")

    called.run(session.target_of(options), verb)
