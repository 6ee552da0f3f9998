"""`kubectl covet reload`: the servers read their settings, access rules and certificates anew."""

import concurrent.futures
from typing import Final

import click

from covet.cli import access, completing, executing, failures, orders, screen, session

LIMIT: Final = 30.0
"""Seconds that one server may take."""
_STATEMENTS: Final = (
    "SELECT pg_reload_conf()",
    # What is on disk and cannot be in force: lines that cannot be read, settings that take a start of the server.
    "SELECT coalesce(string_agg(concat_ws(': ', name, error), '; '), '') FROM pg_file_settings WHERE error IS NOT NULL",
)


@click.command("reload")
@completing.cluster_argument
@click.option("--shard", metavar="SHARD", shell_complete=completing.shards, help="The instances of this shard only.")
@click.option("--instance", metavar="NAME", shell_complete=completing.instances, help="This instance only.")
@session.kubectl_options
@click.pass_obj
def command(
    called: session.Session, /, *, cluster: str, shard: str | None, instance: str | None, **options: str | None
) -> None:
    """Have the servers read their files anew.

    Covet does so by itself whenever it changes a file. This asks each server once more, through
    `kubectl exec`, and says what stands in its files and is not in force.
    """
    target = session.target_of(options).over(called.target)

    async def find(opened: access.Access) -> tuple[access.Seen, str]:
        return await opened.read(cluster), opened.namespace

    seen, namespace = called.run(target, find)
    chosen = _chosen(seen, shard, instance)
    arguments = ("-XAtq", *(part for statement in _STATEMENTS for part in ("-c", statement)))
    calls = [executing.psql(seen, target, namespace, name, arguments, terminal=False) for name in chosen]
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as threads:
        ended = list(threads.map(lambda call: called.outside.run(call, LIMIT), calls))
    session.show(screen.columns(("INSTANCE", "RELOADED", "NOTE"), map(_row, chosen, ended), wrap="NOTE"))
    failed = [name for name, end in zip(chosen, ended, strict=True) if not _took(end)]
    if failed:
        raise failures.Failure(failures.Exit.REFUSED, f"Not reloaded: {', '.join(failed)}.")


def _chosen(seen: access.Seen, shard: str | None, instance: str | None) -> list[str]:
    """Return the instances that are meant."""
    if instance is not None:
        orders.shard_of(seen, instance)
        return [instance]
    shards = [seen.shard(shard)] if shard is not None else seen.status.shards
    found = [server.name for one in shards for server in one.instances]
    if not found:
        raise failures.Failure(
            failures.Exit.NOT_FOUND, f"The operator has not reported any instance of cluster {seen.name} yet."
        )
    return found


def _took(end: executing.Ended) -> bool:
    return end.code == 0 and end.out.startswith("t\n")


def _row(name: str, end: executing.Ended) -> tuple[screen.Cell, ...]:
    if not _took(end):
        said = " ".join(end.err.split()) or f"psql ended with code {end.code}"
        return name, screen.styled("no", screen.BAD), said
    waits = end.out.partition("\n")[2].strip()
    return name, screen.styled("yes", screen.GOOD), f"not in force: {waits}" if waits else "-"
