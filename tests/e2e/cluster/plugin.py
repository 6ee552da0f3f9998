"""`kubectl covet` in a test: the installed plugin, found by kubectl, on the cluster of the test."""

import os
import pathlib
import subprocess

from tests.e2e.cluster.shops import Shop
from tools import bootstrap

PROGRAMS = bootstrap.ROOT / ".venv" / "bin"


def run(shop: Shop, verb: str, *arguments: str, code: int = 0, timeout: float = 300) -> str:
    """Run a verb in the cluster's namespace and return what it printed, what went wrong included.

    Args:
        shop: whose namespace.
        verb: of `kubectl covet`.
        arguments: of the verb.
        code: with which it has to end.
        timeout: seconds.
    """
    kubectl = pathlib.Path(shop.covet.kubectl_path)
    environment = shop.covet.place.environment()
    environment["PATH"] = os.pathsep.join((str(PROGRAMS), str(kubectl.parent), environment["PATH"]))
    done = subprocess.run(
        (str(kubectl), "covet", verb, "-n", shop.namespace, *arguments),
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    assert code == done.returncode, f"{verb}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr
