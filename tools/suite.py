"""Run every check and test, one part after the other, and say how long each took.

A part that fails does not stop the others: one run tells everything that is wrong. The exit status is 1 where a
part failed.

    python3 -m tools.suite                  everything
    python3 -m tools.suite test-unit        one part, or several
    python3 -m tools.suite --figures        everything, and the figures kept in benchmarks/results
"""

import argparse
import dataclasses
import os
import re
import shutil
import signal
import subprocess
import sys
import time

from benchmarks import machine
from tools import bootstrap, figures

COVERAGE = bootstrap.ROOT / ".coverage-parts"
TESTS = re.compile(r"^(?:test result: ok\. )?(\d+) passed|^\s*--- PASS: ")
"""A line in which pytest or cargo says how many tests passed, or Go that one did."""


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
    Part("test-go", make("test-go")),
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


@dataclasses.dataclass(frozen=True)
class Result:
    """How a part went.

    Args:
        name: of the part.
        status: exit status.
        seconds: that it took.
        tests: that passed, 0 where nobody counted or nothing is counted.
    """

    name: str
    status: int
    seconds: float
    tests: int = 0


def run(part: Part, *, counted: bool) -> Result:
    """Run a part.

    Args:
        part: what is run.
        counted: whether its tests are; its output then goes through a pipe, in plain lines.
    """
    begun = time.monotonic()
    process = subprocess.Popen(
        part.argv,
        cwd=bootstrap.ROOT,
        env=environment(part),
        stdout=subprocess.PIPE if counted else None,
        text=True,
        errors="replace",
    )
    tests = 0
    for line in process.stdout or ():
        print(line, end="", flush=True)
        tests += tests_in(line)
    return Result(part.name, process.wait(), time.monotonic() - begun, tests)


def tests_in(line: str) -> int:
    """Return how many tests have passed by what a line says."""
    found = TESTS.match(line)
    return int(found[1] or 1) if found else 0


def caches() -> figures.Caches:
    """Tell whether an earlier run left something to build upon: wheels in the checkout, builds in the cache."""
    kept = [(bootstrap.ROOT / ".venv").exists(), bootstrap.CACHE.exists()]
    return figures.Caches.WARM if all(kept) else figures.Caches.PARTLY if any(kept) else figures.Caches.COLD


def told(results: list[Result]) -> str:
    """Return the table at the end."""
    lines = [f"{'part':<16}{'result':<10}{'seconds':>8}"]
    for result in results:
        verdict = "passed" if result.status == 0 else f"failed {result.status}"
        lines.append(f"{result.name:<16}{verdict:<10}{result.seconds:>8.0f}")
    failed = sum(result.status != 0 for result in results)
    lines.append(f"{len(results) - failed} passed, {failed} failed")
    return "\n".join(lines)


def keep_figures(description: machine.Machine, state: figures.Caches, results: list[Result]) -> None:
    """Write what a whole run took; one that failed tells nothing."""
    if any(result.status for result in results):
        print("a part failed: the figures are not kept", flush=True)
        return
    parts = [
        {"name": result.name, "seconds": round(result.seconds, 1), **({"tests": result.tests} if result.tests else {})}
        for result in results
    ]
    figures.keep_suite(bootstrap.ROOT, state, {"machine": description, "parts": parts})
    print(f"figures of a {state.value} run: {figures.SUITE}, {figures.PAGE}", flush=True)


def chosen(arguments: list[str]) -> argparse.Namespace:
    """Return what was asked for: `parts`, all unless some are named, and whether to keep `figures`."""
    parser = argparse.ArgumentParser(prog="tools.suite", description="Run every check and test.")
    names = [part.name for part in PARTS]
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"only these: {', '.join(names)}")
    parser.add_argument("--figures", action="store_true", help="keep what each part took in benchmarks/results")
    asked = parser.parse_args(arguments)
    unknown = sorted(set(asked.parts) - set(names))
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(names)}")
    if asked.parts and asked.figures:
        parser.error("figures are kept of a whole run: name no part with --figures")
    asked.parts = asked.parts or names
    return asked


def main() -> None:
    """Run the parts, print the table, exit with 1 if one failed."""
    asked = chosen(sys.argv[1:])
    heed_signals()
    description = machine.describe() if asked.figures else None
    state, begun = caches(), time.monotonic()
    bootstrap.prepare()
    clear_coverage()
    results = [Result("setup", 0, time.monotonic() - begun)]
    for part in PARTS:
        if part.name in asked.parts:
            print(f"\n=== {part.name}", flush=True)
            results.append(run(part, counted=asked.figures))
    print(f"\n{told(results)}", flush=True)
    if description is not None:
        keep_figures(description, state, results)
    sys.exit(1 if any(result.status for result in results) else 0)


if __name__ == "__main__":
    main()
