"""`kubectl covet rotate`: the application gets a new password, while the one before goes on working."""

import click

from covet.cli import access, completing, orders, rotating, session
from covet.core import clock


@click.command("rotate")
@completing.cluster_argument
@click.option("--wait", is_flag=True, help="Wait until the Secret holds the new password.")
@click.option("--timeout", type=click.FloatRange(1), default=300.0, help="Seconds to wait at most; default 300.")
@session.kubectl_options
@click.pass_obj
def command(called: session.Session, /, *, cluster: str, wait: bool, timeout: float, **options: str | None) -> None:
    """Replace the application's password.

    Every shard learns the new login before the Secret names it. The one before works until no session
    has used it for a minute, on any instance: have the application read its Secret again.
    """

    async def verb(opened: access.Access) -> None:
        now = clock.rfc3339(called.outside.clock.wall())
        seen, written = await access.order(opened, cluster, orders.rotate(now))
        token = orders.rotation_of(seen, written)
        if written:
            click.echo(f"Ordered: {cluster} gets a new password ({token}).")
        else:
            click.echo(f"A new password is ordered already ({token}).")
        former = seen.status.login.former if seen.status.login is not None else None
        if former is not None:
            session.tell(f"It waits for the rotation before: {former} may still log in.")
        if seen.paused:
            session.tell(f"{cluster} is paused: nothing is replaced before `kubectl covet resume {cluster}`.")
        if wait:
            login = await rotating.until_named(opened, seen, token, timeout, session.tell)
            click.echo(f"Done: the Secret holds the new password, for {login}.")
        else:
            session.tell(f"`kubectl covet status {cluster}` shows how far it is.")

    called.run(session.target_of(options), verb)
