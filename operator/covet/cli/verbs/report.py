"""`kubectl covet report`: a zip for whoever helps, without secrets."""

import os
import pathlib
import zipfile
from collections.abc import Mapping
from typing import Final

import click

import covet
from covet.cli import completing, failures, reporting, screen, session

TAIL: Final = 5000
"""Lines of each log that are taken along unless more are asked for."""


@click.command("report")
@completing.cluster_argument
@click.option("--to", "to", metavar="PATH", help="File to write; default: covet-report-CLUSTER-TIME.zip here.")
@click.option("--tail", type=click.IntRange(1), default=TAIL, help=f"Newest lines of each log; default {TAIL}.")
@session.kubectl_options
@click.pass_obj
def command(called: session.Session, /, *, cluster: str, to: str | None, tail: int, **options: str | None) -> None:
    """Write a zip about a cluster for whoever helps.

    The object, what `status`, `why` and `doctor` show, Events, logs, pods, StatefulSets, the map.
    Secrets are never read; passwords, keys and connection strings are taken out of the rest. Look
    through the logs yourself before you send it on: they may hold statements.
    """
    clock = called.outside.clock
    path = pathlib.Path(to or f"covet-report-{cluster}-{clock.wall():%Y%m%dT%H%M%SZ}.zip")
    if path.exists():
        raise failures.Failure(failures.Exit.REFUSED, f"{path} is there already: name another file with --to.")
    scope = reporting.Scope(covet.__version__, tail)
    files = called.run(session.target_of(options), lambda opened: reporting.gather(opened, cluster, scope, clock))
    _write(path, files)
    session.show(screen.columns(("FILE", "SIZE"), reporting.sizes(files)))
    click.echo(f"\nWrote {path} ({screen.bytes_of(path.stat().st_size)}). Look through it before you send it on.")


def _write(path: pathlib.Path, files: Mapping[str, str]) -> None:
    """Write the zip so that nobody else on this machine can read it."""
    try:
        number = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    except OSError as error:
        raise failures.Failure(failures.Exit.REFUSED, f"{path} cannot be written: {error.strerror}.") from error
    with open(number, "w+b") as stream, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:  # noqa: PTH123 -- a descriptor, not a path
        for name, content in files.items():
            archive.writestr(f"{path.stem}/{name}", content)
