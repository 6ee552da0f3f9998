"""`kubectl covet promote`: the way on when the members that hold the newest commits are lost for good."""

import click

from covet.cli import access, arithmetic, completing, failures, orders, session


@click.command("promote")
@completing.cluster_argument
@click.option("--shard", required=True, metavar="SHARD", shell_complete=completing.shards, help="Shard, e.g. s0.")
@click.option(
    "--instance",
    required=True,
    metavar="INSTANCE",
    shell_complete=completing.instances,
    help="Instance that shall lead, e.g. shop-s0-c.",
)
@click.option("--accept-loss", is_flag=True, help="Yes, acknowledged writes may be lost.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask for the shard's name.")
@session.kubectl_options
@click.pass_obj
def command(
    called: session.Session,
    /,
    *,
    cluster: str,
    shard: str,
    instance: str,
    accept_loss: bool,
    yes: bool,
    **options: str | None,
) -> None:
    """Make an instance the primary of a shard that cannot elect one. LOSES WRITES.

    What was acknowledged and this instance does not hold is gone. First try to bring the missing
    members back: one of them is often enough, and `kubectl covet why` says which.
    """

    async def verb(opened: access.Access) -> None:
        seen = await opened.read(cluster)
        orders.promote(shard, instance)(seen)
        danger = _danger(seen, shard, instance)
        if not accept_loss:
            raise failures.Failure(
                failures.Exit.REFUSED,
                f"{danger} Try `kubectl covet why {cluster} --shard {shard}` first; if the loss is accepted, repeat"
                " this with --accept-loss.",
            )
        if not yes:
            session.tell(danger)
            typed = click.prompt(
                f"Type the name of the shard ({shard}) to go on", err=True, default="", show_default=False
            )
            if typed.strip() != shard:
                raise failures.Failure(failures.Exit.REFUSED, f"That is not {shard}: nothing was ordered.")
        _, written = await access.order(opened, cluster, orders.promote(shard, instance))
        click.echo(f"Ordered: {instance} leads {shard} of {cluster}, loss accepted." if written else "Ordered already.")

    called.run(session.target_of(options), verb)


def _danger(seen: access.Seen, name: str, instance: str) -> str:
    """Return what may be lost and who would prevent it."""
    sums = arithmetic.count(seen.shard(name), seen.fenced)
    absent = ", ".join(voter.shown for voter in sums.election.absent) if sums is not None else ""
    missing = f" Not there: {absent}." if absent else ""
    return f"Promoting {instance} loses every acknowledged write of {name} that it does not hold.{missing}"
