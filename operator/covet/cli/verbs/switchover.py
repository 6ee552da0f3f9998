"""`kubectl covet switchover`: another instance leads, and nothing is lost."""

import asyncio

import click

from covet.cli import access, completing, orders, session, views, waiting
from covet.core import events, names


@click.command("switchover")
@completing.cluster_argument
@click.option("--shard", required=True, metavar="SHARD", shell_complete=completing.shards, help="Shard, e.g. s0.")
@click.option(
    "--to",
    "to",
    required=True,
    metavar="INSTANCE",
    shell_complete=completing.instances,
    help="Instance that shall lead, e.g. shop-s0-c.",
)
@click.option("--wait", is_flag=True, help="Return when it leads and takes writes, or the order was refused.")
@click.option(
    "--timeout", type=click.FloatRange(1, 3600), default=60.0, show_default=True, help="Seconds that --wait takes."
)
@session.kubectl_options
@click.pass_obj
def command(
    called: session.Session, /, *, cluster: str, shard: str, to: str, wait: bool, timeout: float, **options: str | None
) -> None:
    """Order a planned switchover of a shard to one of its instances.

    The order is an annotation that the operator carries out and removes; it is refused with an
    Event. Nothing acknowledged is lost, and writes pause for a moment.
    """

    async def verb(opened: access.Access) -> None:
        known = await waiting.before(opened, await opened.read(cluster)) if wait else frozenset[str]()
        seen, written = await access.order(opened, cluster, orders.switchover(shard, to))
        if not written and seen.shard(shard).primary == to:
            click.echo(f"{to} leads {shard} already.")
            return
        if not wait:
            click.echo(f"Ordered: {shard} of {cluster} from {seen.shard(shard).primary} to {to}.")
            session.tell(f"`kubectl covet status {cluster} --watch` follows it.")
            return
        awaited = waiting.Awaited(
            names.switchover_annotation(shard), shard, to, events.SWITCHOVER_REFUSED, before=known
        )
        try:
            after = await waiting.until_done(opened, cluster, awaited, timeout, session.tell)
        except asyncio.CancelledError:
            session.tell("No longer waiting; the order stands.")
            raise
        click.echo(_outcome(after, shard, to))

    called.run(session.target_of(options), verb)


def _outcome(seen: access.Seen, name: str, to: str) -> str:
    shard = seen.shard(name)
    term = "" if shard.term is None else f" in term {shard.term}"
    last = shard.last_failover
    measured = last is not None and last.to == to and last.term == shard.term and last.writable_ms is not None
    if last is None or last.writable_ms is None or not measured:
        return f"{to} leads {name}{term}."
    return f"{to} leads {name}{term}; writes paused for {views.milliseconds(last.writable_ms)}."
