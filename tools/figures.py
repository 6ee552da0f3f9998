"""What a whole run of the suite and a second run of the demo took: kept as JSON, told on a page.

Standard library only: the suite runs before anything is installed.
"""

import enum
import json
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any, Final

SUITE: Final = "benchmarks/results/suite.json"
DEMO: Final = "benchmarks/results/demo.json"
PAGE: Final = "docs/reference/figures.md"

UNIT_SECONDS: Final = 60
"""Gate of the unit tests."""
WARM_SECONDS: Final = 12 * 60
"""Gate of a whole run that finds everything built."""
COLD_SECONDS: Final = 45 * 60
"""Gate of a whole run on a fresh machine."""
DEMO_SECONDS: Final = 2 * 60
"""Gate of the demo where everything was built before."""
KUBERNETES_SECONDS: Final = 30
"""Gate of its three nodes."""
KUBERNETES: Final = "start Kubernetes"
"""The step of the demo that starts them."""

_INTRODUCTION: Final = f"""\
# What the suite and the demo take

<!-- Generated from {SUITE} and {DEMO} by `make generate`; do not edit. -->

`make test FIGURES=1` runs the whole suite and keeps what each part took, `python -m benchmarks.demo` does the same for
the demo. Without them nothing is kept, and a run leaves the checkout as it was.
"""
_NONE: Final = "No run was kept yet.\n"


class Caches(enum.Enum):
    """What a run of the suite found of earlier ones."""

    COLD = "cold"
    PARTLY = "partly warm"
    WARM = "warm"


FOUND: Final = {
    Caches.WARM: "wheels and builds of an earlier run were there",
    Caches.PARTLY: "some builds of an earlier run were there",
    Caches.COLD: "nothing of an earlier run was there",
}
LIMITS: Final = {Caches.WARM: WARM_SECONDS, Caches.COLD: COLD_SECONDS}


def keep_suite(root: pathlib.Path, state: Caches, run: Mapping[str, Any]) -> None:
    """Write a run of the suite beside those that found other caches, and the page.

    Args:
        root: the checkout.
        state: what the run found.
        run: `machine` as `benchmarks.machine` describes it, and `parts`: `name`, `seconds`, and `tests` where counted.
    """
    path = root / SUITE
    runs = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**runs, state.value: run}, indent=1) + "\n")
    write(root)


def keep_demo(root: pathlib.Path, run: Mapping[str, Any]) -> None:
    """Write a second run of the demo, and the page.

    Args:
        root: the checkout.
        run: `machine`, `kubernetes` (where it came from), `seconds` (from the command to its end) and `steps` (name ->
            seconds).
    """
    (root / DEMO).write_text(json.dumps(run, indent=1) + "\n")
    write(root)


def render(root: pathlib.Path) -> str:
    """Return the page of a checkout's figures as Markdown."""
    return f"{_INTRODUCTION}\n{_suites(_kept(root / SUITE))}\n{_demo(_kept(root / DEMO))}"


def write(root: pathlib.Path) -> None:
    """Write the page into a checkout."""
    (root / PAGE).write_text(render(root), encoding="utf-8")


def _kept(path: pathlib.Path) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return kept


def _suites(runs: Mapping[str, Any]) -> str:
    sections = [_suite(state, runs[state.value]) for state in FOUND if state.value in runs]
    return "## `make test`\n\n" + ("\n".join(sections) or _NONE)


def _suite(state: Caches, run: Mapping[str, Any]) -> str:
    parts = run["parts"]
    total = sum(part["seconds"] for part in parts)
    limit = f", gate {LIMITS[state] / 60:.0f} min" if state in LIMITS else ""
    rows = (
        (_part(part["name"]), f"{part['tests']:,}" if "tests" in part else "", f"{part['seconds']:.0f}")
        for part in parts
    )
    table = _table(("part", "tests", "seconds"), rows)
    return f"A {state.value} run ({FOUND[state]}): **{total / 60:.1f} min**{limit}. {_on(run)}\n\n{table}"


def _part(name: str) -> str:
    return f"{name} (gate {UNIT_SECONDS} s)" if name == "test-unit" else name


def _demo(run: Mapping[str, Any]) -> str:
    head = "## `make demo`, the second time\n\n"
    if not run:
        return head + _NONE
    gates = {KUBERNETES: f" (gate {KUBERNETES_SECONDS} s)"}
    rows = ((f"{name}{gates.get(name, '')}", f"{seconds:.1f}") for name, seconds in run["steps"].items())
    text = (
        f"After `make demo-down`, with the builds of the first run, on Kubernetes from {run['kubernetes']}:"
        f" **{run['seconds']:.0f} s** from the command to its end, gate {DEMO_SECONDS} s. {_on(run)}\n"
    )
    return f"{head}{text}\n{_table(('step', 'seconds'), rows)}"


def _on(run: Mapping[str, Any]) -> str:
    found = run["machine"]
    return (
        f"{found['cores']} cores ({found['cpu']}), {found['memory_gib']} GiB, {found['system']}, load {found['load']}"
        f" when it began, {found['date']}, commit `{found['commit']}`."
    )


def _table(columns: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    ruler = ("---", *("---:" for _ in columns[1:]))
    return "".join(f"| {' | '.join(row)} |\n" for row in (columns, ruler, *rows))
