"""`kubectl covet psql`: a session on a shard's server, as its superuser, through `kubectl exec`."""

import sys

import click

from covet.api.status import Role, ShardStatus
from covet.cli import access, completing, executing, failures, session


@click.command("psql")
@completing.cluster_argument
@click.argument("arguments", nargs=-1, metavar="[-- ARGUMENTS]", type=click.UNPROCESSED)
@click.option(
    "--shard", metavar="SHARD", shell_complete=completing.shards, help="Shard; may be left out if there is one alone."
)
@click.option("--replica", is_flag=True, help="A replica that streams, instead of the primary.")
@session.kubectl_options
@click.pass_obj
def command(
    called: session.Session,
    /,
    *,
    cluster: str,
    arguments: tuple[str, ...],
    shard: str | None,
    replica: bool,
    **options: str | None,
) -> None:
    """Open psql in the pod of a shard's primary, as the superuser.

    It enters by the server's unix socket and needs the right to create pods/exec. What stands after
    -- is given to psql:

    \b
      kubectl covet psql shop --shard s0 -- -c 'select 1'
    """  # noqa: D301 -- the mark by which click leaves lines as they are
    target = session.target_of(options).over(called.target)

    async def find(opened: access.Access) -> tuple[access.Seen, str]:
        return await opened.read(cluster), opened.namespace

    seen, namespace = called.run(target, find)
    chosen = _shard(seen, shard)
    instance = _replica(chosen) if replica else _primary(seen, chosen)
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    call = executing.psql(seen, target, namespace, instance, arguments, terminal=terminal)
    try:
        called.outside.execute(call[0], call)
    except FileNotFoundError as error:
        raise failures.Failure(
            failures.Exit.NOT_FOUND, "There is no program kubectl on PATH: psql is reached through `kubectl exec`."
        ) from error


def _shard(seen: access.Seen, name: str | None) -> ShardStatus:
    if name is not None:
        return seen.shard(name)
    shards = seen.status.shards
    if len(shards) == 1:
        return shards[0]
    there = ", ".join(shard.name for shard in shards) or "none reported yet"
    raise failures.Failure(failures.Exit.USAGE, f"Which shard of {seen.name}? Name one with --shard: {there}.")


def _primary(seen: access.Seen, shard: ShardStatus) -> str:
    if shard.primary is not None:
        return shard.primary
    raise failures.Failure(
        failures.Exit.REFUSED,
        f"Shard {shard.name} has no primary: --replica reads from another instance, and `kubectl covet why {seen.name}"
        f" --shard {shard.name}` says what it waits for.",
    )


def _replica(shard: ShardStatus) -> str:
    for server in shard.instances:
        if server.role is Role.REPLICA and server.state == "Streaming":
            return server.name
    raise failures.Failure(failures.Exit.REFUSED, f"No replica of shard {shard.name} streams: leave --replica out.")
