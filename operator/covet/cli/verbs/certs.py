"""`kubectl covet certs`: which certificates a cluster has, and how long yet."""

import json
from collections.abc import Sequence
from typing import Final

import click

from covet.api.status import AuthorityStatus
from covet.cli import access, certificates, completing, screen, session
from covet.cli.certificates import Found
from covet.core import names

STEADY: Final = "Steady"


@click.command("certs")
@completing.cluster_argument
@click.option("-o", "--output", type=click.Choice(["table", "json"]), default="table", help="Form of the output.")
@session.kubectl_options
@click.pass_obj
def command(called: session.Session, /, *, cluster: str, output: str, **options: str | None) -> None:
    """Show the certificates of a cluster; warn of what ends soon.

    Reads the Secrets of the cluster, which takes the right to list Secrets; nothing of a key is
    shown. Covet renews a certificate when a third of its life is left, the authority as well; how
    far it is with that stands below.
    """
    now = called.outside.clock.wall()

    async def verb(opened: access.Access) -> tuple[list[Found], list[str], AuthorityStatus | None]:
        seen = await opened.read(cluster)
        secrets = await opened.beside.list("secrets", seen.namespace, {names.LABEL_CLUSTER: cluster})
        trust = await opened.beside.get("configmaps", seen.namespace, names.trust_config(cluster))
        instances = [server.name for shard in seen.status.shards for server in shard.instances]
        missing = certificates.lacking(cluster, instances, secrets)
        return list(certificates.inspect(secrets, trust, now)), missing, seen.status.authority

    found, missing, authority = called.run(session.target_of(options), verb)
    if output == "json":
        said = authority.model_dump(mode="json", by_alias=True, exclude_none=True) if authority is not None else None
        document = {"certificates": [one.document() for one in found], "missing": missing, "authority": said}
        click.echo(json.dumps(document, indent=2))
        return
    if not found:
        click.echo(f"Cluster {cluster} has no certificate yet.")
        return
    heads = ("OBJECT", "SUBJECT", "ISSUER", "NOT AFTER", "DAYS LEFT")
    session.show(
        screen.columns(heads, map(_row, found)), *_signed_by(authority), *_change(authority), *_warnings(found, missing)
    )


def _row(found: Found) -> tuple[screen.Cell, ...]:
    bad = bool(found.problem)
    days = "-" if found.days is None else str(found.days)
    return (
        found.where,
        found.subject or "-",
        found.issuer or "-",
        "-" if found.ends is None else f"{found.ends:%Y-%m-%d %H:%M}",
        screen.styled(days, screen.BAD if bad else screen.GOOD),
    )


def _change(authority: AuthorityStatus | None) -> list[object]:
    """Return what is said of a change of the authority, nothing without one."""
    if authority is None or authority.phase == STEADY or not authority.message:
        return []
    return ["", f"{authority.phase}: {authority.message}"]


def _signed_by(authority: AuthorityStatus | None) -> list[object]:
    """Return what is said of an authority of somebody else that signs the cluster's, nothing without one."""
    found = authority.signed_by if authority is not None else None
    if found is None:
        return []
    return ["", f"Clients of {found.subject} (Secret/{found.secret}) verify the servers as well, until {found.ends}."]


def _warnings(found: Sequence[Found], missing: Sequence[str]) -> list[object]:
    said: list[screen.Cell] = [f"{one.where}: {one.problem}." for one in found if one.problem]
    said += [f"Secret/{name} is not there: the operator makes it in its next round." for name in missing]
    return ["", screen.bullets(screen.styled(str(line), screen.BAD) for line in said)] if said else []
