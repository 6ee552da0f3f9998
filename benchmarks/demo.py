"""Seconds of `make demo` when it is not the first: from the command to its end, and each of its steps.

The first run brings whatever is missing and is not measured; then the cluster is removed, and the second run starts it
anew. Nothing is left of either but what was built.

    python -m benchmarks.demo
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

from benchmarks import machine
from tools import bootstrap, figures


def make(*arguments: str) -> float:
    """Run a verb of the Makefile, never on a cluster that somebody gave; return the seconds that it took."""
    environment = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    begun = time.monotonic()
    subprocess.run(["make", "--no-print-directory", *arguments], cwd=bootstrap.ROOT, env=environment, check=True)
    return time.monotonic() - begun


def main() -> None:
    """Run it twice, keep the second one, and exit with 1 where a gate is missed."""
    make("demo")
    make("demo-down")
    description = machine.describe()
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "demo.json"
        seconds = make("demo", f"FIGURES={path}")
        told = json.loads(path.read_text())
    make("demo-down")
    steps = {name: round(taken, 2) for name, taken in told["steps"].items()}
    run = {"machine": description, "kubernetes": told["kubernetes"], "seconds": round(seconds, 1), "steps": steps}
    figures.keep_demo(bootstrap.ROOT, run)
    print(f"second run {seconds:.0f} s, gate {figures.DEMO_SECONDS} s")
    print(f"{figures.KUBERNETES} {steps[figures.KUBERNETES]:.1f} s, gate {figures.KUBERNETES_SECONDS} s")
    kept = seconds <= figures.DEMO_SECONDS and steps[figures.KUBERNETES] <= figures.KUBERNETES_SECONDS
    sys.exit(0 if kept else 1)


if __name__ == "__main__":
    main()
