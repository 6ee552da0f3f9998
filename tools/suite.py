"""Run every check and test, one part after the other, and say how long each took.

A part that fails does not stop the others: one run tells everything that is wrong. The exit status is
that of the first part that failed.
"""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time

from tools import bootstrap

COVERAGE = bootstrap.ROOT / ".coverage-parts"


@dataclasses.dataclass(frozen=True)
class Part:
    """One part of the suite.

    Args:
        name: as `make` calls it, where there is such a verb.
        argv: the program and its arguments, run at the root of the checkout.
        measured: whether its coverage counts; every process it starts then writes a file of its own.
    """

    name: str
    argv: tuple[str, ...]
    measured: bool = False


def make(verb: str) -> tuple[str, ...]:
    """Return the command of a part that is a verb of the Makefile."""
    return ("make", "--no-print-directory", verb)


PARTS = (
    Part("check-python", make("check-python")),
    Part("check-rust", make("check-rust")),
    Part("test-rust", make("test-rust")),
    Part("test-unit", make("test-unit"), measured=True),
    Part("test-model", make("test-model")),
    Part("test-process", make("test-process"), measured=True),
    Part("coverage", make("coverage")),
    Part("build-ahead", make("build-ahead")),
    Part("test-cluster", make("test-cluster")),
)


def environment(part: Part) -> dict[str, str]:
    """Return the environment of a part."""
    if not part.measured:
        return dict(os.environ)
    start = {"COVERAGE_PROCESS_START": str(bootstrap.ROOT / "pyproject.toml")}
    return {**os.environ, **start, "COVERAGE_FILE": str(COVERAGE / part.name)}


def clear_coverage() -> None:
    """Make room for the coverage of this run."""
    shutil.rmtree(COVERAGE, ignore_errors=True)
    COVERAGE.mkdir()
    COVERAGE.chmod(0o1777)  # agents of the process tier run without rights and write their part here


def heed_signals() -> None:
    """Take SIGINT and SIGQUIT as they come: a shell that starts the suite in the background has them ignored.

    What tests start would ignore them too, and some tests are about these very signals.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def main() -> None:
    """Run the parts, print the table, exit with the first failure."""
    heed_signals()
    bootstrap.prepare()
    clear_coverage()
    results = []
    chosen = sys.argv[1:]
    for part in PARTS:
        if chosen and part.name not in chosen:
            continue
        print(f"\n=== {part.name}", flush=True)
        begun = time.monotonic()
        status = subprocess.run(part.argv, cwd=bootstrap.ROOT, env=environment(part), check=False).returncode
        results.append((part.name, status, time.monotonic() - begun))
    print(f"\n{'part':<16}{'result':<10}{'seconds':>8}")
    for name, status, seconds in results:
        print(f"{name:<16}{'passed' if status == 0 else f'failed {status}':<10}{seconds:>8.0f}")
    failed = [status for _, status, _ in results if status != 0]
    print(f"{len(results) - len(failed)} passed, {len(failed)} failed", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
