"""Entry point of the operator: `python -m covet`."""

import argparse
import dataclasses
import os
import sys

from covet import app
from covet.core import settings
from covet.core.errors import SpecError
from covet.handlers import logs


def main(arguments: list[str] | None = None) -> int:
    """Run the operator; return its exit code."""
    parser = argparse.ArgumentParser(prog="covet-operator", description="Kubernetes operator of Covet.")
    parser.add_argument("--kubeconfig", help="reach the cluster by this file; default: from inside a pod")
    parser.add_argument("--identity", help="name of this process as holder of the lease")
    parser.add_argument("--log", choices=("json", "text"), help="form of the logs")
    parser.add_argument("--health-port", type=int, help="port of /livez, /readyz and /metrics; 0 for any")
    given = parser.parse_args(arguments)
    try:
        chosen = settings.from_environ(os.environ)
        changes = {"identity": given.identity, "log_format": given.log, "health_port": given.health_port}
        chosen = dataclasses.replace(chosen, **{name: value for name, value in changes.items() if value is not None})
        logs.configure(chosen.log_format)
        return app.run(chosen, given.kubeconfig)
    except SpecError as error:
        sys.stderr.write(f"{error.reason}: {error.message}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
