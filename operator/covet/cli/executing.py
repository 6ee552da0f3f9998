"""psql in the pod of an instance, as its superuser, through `kubectl exec`: the one way in that needs no password."""

import dataclasses
import subprocess
from typing import Final

from covet.api import effective
from covet.cli.access import Seen, Target
from covet.core import names
from covet.engines import configuration
from covet.manifests import pods

NOT_FOUND: Final = 127
"""Exit code that a shell gives to a program that is not there."""
TIMED_OUT: Final = 124
"""Likewise to one that took too long."""


@dataclasses.dataclass(frozen=True)
class Ended:
    """What a program did: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


def run(call: list[str], limit: float) -> Ended:
    """Run a program to its end.

    Args:
        call: program and arguments.
        limit: seconds after which it is killed; then the code is `TIMED_OUT`.
    """
    try:
        done = subprocess.run(  # noqa: S603 -- the program is kubectl, the arguments are a list, no shell reads them
            call, capture_output=True, text=True, check=False, timeout=limit, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError:
        return Ended(NOT_FOUND, "", f"There is no program {call[0]} on PATH.")
    except subprocess.TimeoutExpired:
        return Ended(TIMED_OUT, "", f"{call[0]} did not end within {limit:g} s.")
    return Ended(done.returncode, done.stdout, done.stderr)


def psql(
    seen: Seen, target: Target, namespace: str, instance: str, arguments: tuple[str, ...], *, terminal: bool
) -> list[str]:
    """Return the call of kubectl: program and arguments.

    psql is told by its environment where to go, so that every argument of the person's goes before.
    """
    spec = seen.status.effective or effective.effective(seen.cluster.spec)
    where = [("--context", target.context), ("--kubeconfig", target.kubeconfig)]
    return [
        "kubectl",
        *(f"{option}={value}" for option, value in where if value is not None),
        f"--namespace={namespace}",
        "exec",
        "-it" if terminal else "-i",
        names.pod(instance),
        "-c",
        pods.CONTAINER,
        "--",
        "env",
        f"PGHOST={pods.RUN}",
        f"PGUSER={configuration.SUPERUSER}",
        f"PGDATABASE={spec.database.name}",
        # The pod's root file system is read-only, and a superuser's statements are not left behind.
        "PSQL_HISTORY=/dev/null",
        f"/usr/lib/postgresql/{spec.engine.version}/bin/psql",
        *arguments,
    ]
