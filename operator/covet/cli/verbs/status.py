"""`kubectl covet status`: a cluster at a glance, once or as it changes."""

import asyncio
import datetime as dt
import json
import sys
from collections.abc import Callable
from typing import Any, Final

import click

from covet.cli import access, completing, session, views

REFRESH: Final = 5.0
"""Seconds after which a terminal is drawn again, for the ages on it."""


@click.command("status")
@completing.cluster_argument
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", help="Form of the output.")
@click.option("-w", "--watch", is_flag=True, help="Go on, and show each change; end it with Ctrl-C.")
@session.kubectl_options
@click.pass_obj
def command(called: session.Session, /, *, cluster: str, output: str, watch: bool, **options: str | None) -> None:
    """Show a cluster: shards, primaries, conditions, standing orders.

    Everything comes from the CovetCluster itself, as the operator saw it last. With -o json and
    --watch each line is one document.
    """
    clock = called.outside.clock

    def draw(seen: access.Seen, *, again: bool) -> None:
        if output == "json":
            click.echo(json.dumps(views.document(seen), indent=None if watch else 2))
            return
        _draw(seen, clock.wall(), again=again)

    target = session.target_of(options)
    if watch:
        called.run(target, lambda opened: _watch(opened, cluster, draw, refresh=output == "table"))
        return
    draw(called.run(target, lambda opened: opened.read(cluster)), again=False)


def _draw(seen: access.Seen, now: dt.datetime, *, again: bool) -> None:
    """Draw a cluster: on a terminal in place of the drawing before, elsewhere below it."""
    if again and not sys.stdout.isatty():
        click.echo()
    elif again:
        click.clear()
    session.show(*views.status(seen, now))


async def _watch(opened: access.Access, cluster: str, draw: Callable[..., Any], *, refresh: bool) -> None:
    """Draw a cluster at each change, and on a terminal now and then for its ages, until it is gone."""
    newest: access.Seen | None = None

    async def follow() -> None:
        nonlocal newest
        async for seen in access.follow_patiently(opened, cluster, session.tell):
            draw(seen, again=newest is not None)
            newest = seen

    async def redraw() -> None:
        while refresh and sys.stdout.isatty():
            await asyncio.sleep(REFRESH)
            if newest is not None:
                draw(newest, again=True)

    drawing = asyncio.create_task(redraw())
    try:
        await follow()
    finally:
        drawing.cancel()
