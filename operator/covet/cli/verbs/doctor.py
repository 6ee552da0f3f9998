"""`kubectl covet doctor`: is everything around a cluster as it should be? What, why, and what to do."""

import json

import click

import covet
from covet.cli import access, completing, failures, session
from covet.cli.doctoring import examining, facts
from covet.cli.doctoring.finding import Grade


@click.command("doctor")
@completing.optional_cluster_argument
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", help="Form of the output.")
@session.kubectl_options
@click.pass_obj
def command(called: session.Session, /, *, cluster: str | None, output: str, **options: str | None) -> None:
    """Look at everything around a cluster, and say what to do.

    Versions, rights, storage, clocks, pods, network policies, disruption budgets, who is scraped.
    Without CLUSTER only what concerns all of them. Changes nothing. Ends with 7 if something has to
    be mended.
    """

    async def verb(opened: access.Access) -> facts.Facts:
        return await facts.gather(opened, covet.__version__, cluster, called.outside.clock)

    found = examining.examine(called.run(session.target_of(options), verb))
    if output == "json":
        click.echo(json.dumps({"findings": [one.document() for one in found]}, indent=2))
    else:
        session.show(*examining.show(found))
    bad = sum(one.grade is Grade.BAD for one in found)
    if bad:
        raise failures.Failure(failures.Exit.UNWELL, f"{bad} finding{'' if bad == 1 else 's'} to mend.")
