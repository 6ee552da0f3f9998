"""`kubectl covet logs`: what the agents (or the operator) write, of all instances, in the order of time."""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Final

import click

from covet.cli import access, completing, failures, journal, orders, session, tailing
from covet.core import names
from covet.manifests import pods

TAIL: Final = 100
"""Lines of each instance that are shown unless more are asked for."""

_SPAN: Final = re.compile(r"^([1-9][0-9]*)([smhd])$")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


@click.command("logs")
@completing.cluster_argument
@click.option(
    "--shard",
    "shards",
    multiple=True,
    metavar="SHARD",
    shell_complete=completing.shards,
    help="Of this shard; may be given again.",
)
@click.option(
    "--instance",
    "instances",
    multiple=True,
    metavar="NAME",
    shell_complete=completing.instances,
    help="Of this instance; may be given again.",
)
@click.option("--operator", "of_operator", is_flag=True, help="What the operator writes, instead.")
@click.option(
    "--level",
    type=click.Choice(journal.LEVELS),
    metavar="LEVEL",
    default="debug",
    help="This loud or louder: debug, info, warning, error, critical.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes; end it with Ctrl-C.")
@click.option("--tail", type=click.IntRange(0), default=TAIL, help=f"Newest lines of each; 0: all. Default {TAIL}.")
@click.option("--since", metavar="SPAN", help="Not older than this: 90s, 10m, 2h, 1d.")
@click.option("--previous", is_flag=True, help="Of the containers before their last restart.")
@click.option("-o", "--output", type=click.Choice(["pretty", "json"]), default="pretty", help="Form of the output.")
@session.kubectl_options
@click.pass_obj
def command(
    called: session.Session,
    /,
    *,
    cluster: str,
    shards: tuple[str, ...],
    instances: tuple[str, ...],
    of_operator: bool,
    level: str,
    follow: bool,
    tail: int,
    since: str | None,
    previous: bool,
    output: str,
    **options: str | None,
) -> None:
    """Show the logs of all instances as one, merged by time.

    Times are UTC. Words of the database server are marked `postgres:`. A line that is of no known
    form is shown whatever the level.
    """
    if follow and previous:
        raise click.UsageError("--previous is over: it cannot be followed.")
    extent = tailing.Extent(tail, _seconds(since), previous)
    printer = _Printer(output, level)

    async def verb(opened: access.Access) -> None:
        seen = await opened.read(cluster)

        async def find() -> Sequence[tailing.Source]:
            return await (_operators(opened, seen) if of_operator else _agents(opened, seen, shards, instances))

        first = await find()
        if not first:
            raise failures.Failure(failures.Exit.NOT_FOUND, f"No pods of cluster {cluster} are there.")
        printer.meet(first)
        if not follow:
            printer.show(await tailing.read(opened.beside, first, extent))
            return
        async for line in tailing.follow(opened.beside, find, extent, session.tell):
            printer.show([line])

    called.run(session.target_of(options), verb)


class _Printer:
    """Writes lines to the standard output, each instance in a colour of its own."""

    def __init__(self, output: str, level: str) -> None:
        self._output = output
        self._level = level
        self._paints = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        self._colours: dict[str, str] = {}
        self._width = 0
        self._day = ""

    def meet(self, sources: Iterable[tailing.Source]) -> None:
        """Take in which instances there are, for the width of their column."""
        for origin in sorted({source.origin for source in sources}):
            self._colour(origin)

    def show(self, lines: Iterable[journal.Line]) -> None:
        """Write lines."""
        for line in lines:
            if not line.is_at_least(self._level):
                continue
            if self._output == "json":
                click.echo(journal.document(line))
                continue
            day = f"{line.moment:%Y-%m-%d}"
            if day != self._day:
                click.echo(self._paint(f"--- {day} UTC", "bright_black"))
                self._day = day
            colour = self._colour(line.origin)
            click.echo(journal.lay_out(line, self._width, colour, self._paint))

    def _colour(self, origin: str) -> str:
        if origin not in self._colours:
            self._colours[origin] = journal.COLOURS[len(self._colours) % len(journal.COLOURS)]
            self._width = max(self._width, len(origin))
        return self._colours[origin]

    def _paint(self, text: str, colour: str) -> str:
        return click.style(text, fg=colour) if self._paints and colour else text


async def _agents(
    opened: access.Access, seen: access.Seen, shards: tuple[str, ...], instances: tuple[str, ...]
) -> Sequence[tailing.Source]:
    """Return the containers of the agents that are asked for."""
    there = await opened.beside.list("pods", seen.namespace, {names.LABEL_CLUSTER: seen.name})
    by_instance = {str(pod["metadata"]["labels"].get(names.LABEL_INSTANCE)): pod for pod in there}
    for shard in shards:
        seen.shard(shard)
    for instance in set(instances) - set(by_instance):
        orders.shard_of(seen, instance)
    chosen = [
        pod
        for instance, pod in by_instance.items()
        if (not shards and not instances)
        or instance in instances
        or pod["metadata"]["labels"].get(names.LABEL_SHARD) in shards
    ]
    return tailing.sources_of(chosen, pods.CONTAINER)


async def _operators(opened: access.Access, seen: access.Seen) -> Sequence[tailing.Source]:
    """Return the containers of the operators in the namespace of the one that serves a cluster."""
    namespace = (seen.status.operator or "").partition("/")[0]
    if not namespace:
        raise failures.Failure(
            failures.Exit.NOT_FOUND,
            f"No operator has taken up cluster {seen.name} yet: `kubectl covet doctor {seen.name}` says more.",
        )
    labels = {names.LABEL_APP: names.APP, names.LABEL_COMPONENT: names.COMPONENT_OPERATOR}
    return tailing.sources_of(await opened.beside.list("pods", namespace, labels), names.COMPONENT_OPERATOR)


def _seconds(span: str | None) -> int | None:
    """Return a span in seconds, None for none."""
    if span is None:
        return None
    found = _SPAN.match(span)
    if found is None:
        raise click.BadParameter(f"{span!r} is no span of time: write 90s, 10m, 2h or 1d.", param_hint="--since")
    return int(found[1]) * _SECONDS[found[2]]
