"""Run every check and test, one part after the other, and say how long each took.

A part that fails does not stop the others: one run tells everything that is wrong. The exit status is
that of the first part that failed.
"""

import dataclasses
import os
import shutil
import subprocess
import sys
import time

from tools import bootstrap

PY = ".venv/bin/python"
COVERAGE = bootstrap.ROOT / ".coverage-parts"


@dataclasses.dataclass(frozen=True)
class Part:
    """One part of the suite.

    Args:
        name: as `make` calls it, where there is such a verb.
        argv: the program and its arguments, run at the root of the checkout.
    """

    name: str
    argv: tuple[str, ...]


def pytest(data_file: str, *arguments: str) -> tuple[str, ...]:
    """Return the command of a pytest part whose coverage goes into files of its own."""
    return (PY, "-m", "coverage", "run", f"--data-file={data_file}", "-m", "pytest", "-q", *arguments)


PARTS = (
    Part("check-python", ("make", "--no-print-directory", "check-python")),
    Part("check-rust", ("make", "--no-print-directory", "check-rust")),
    Part("test-rust", ("make", "--no-print-directory", "test-rust")),
    Part("test-unit", pytest(".coverage-parts/unit", "tests/unit")),
    Part("test-process", pytest(".coverage-parts/process", "tests/e2e/process", "-m", "process and not long")),
    Part("coverage", ("make", "--no-print-directory", "coverage")),
    Part("test-cluster", (PY, "-m", "pytest", "-q", "tests/e2e", "-m", "cluster and not long")),
)


def environment() -> dict[str, str]:
    """Return the environment of every part: what tests start as processes measures its coverage too."""
    shutil.rmtree(COVERAGE, ignore_errors=True)
    COVERAGE.mkdir()
    COVERAGE.chmod(0o1777)  # agents of the process tier run without rights and write their part here
    return {**os.environ, "COVERAGE_PROCESS_START": str(bootstrap.ROOT / "pyproject.toml")}


def main() -> None:
    """Run the parts, print the table, exit with the first failure."""
    bootstrap.prepare()
    variables = environment()
    results = []
    chosen = sys.argv[1:]
    for part in PARTS:
        if chosen and part.name not in chosen:
            continue
        print(f"\n=== {part.name}", flush=True)
        begun = time.monotonic()
        status = subprocess.run(part.argv, cwd=bootstrap.ROOT, env=variables, check=False).returncode
        results.append((part.name, status, time.monotonic() - begun))
    print(f"\n{'part':<16}{'result':<10}{'seconds':>8}")
    for name, status, seconds in results:
        print(f"{name:<16}{'passed' if status == 0 else f'failed {status}':<10}{seconds:>8.0f}")
    failed = [status for _, status, _ in results if status != 0]
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
