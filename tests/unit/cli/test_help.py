"""Help is there at once, and says what the command does."""

import os
import pathlib
import subprocess
import sys
import tomllib

import pytest

from covet.cli import __main__ as entry
from covet.cli import application, pages

HELP = pathlib.Path(entry.__file__).parent / "help"
ROOT = pathlib.Path(__file__).resolve().parents[3]
MOST = 4.0
"""Times a bare Python that help may take."""


def test_the_committed_pages_are_the_generated_ones() -> None:
    """`make generate` was not forgotten, and no page of a verb that is gone is left."""
    assert pages.render() == {path.name: path.read_text(encoding="utf-8") for path in HELP.iterdir()}


def test_every_verb_has_its_page(capsys: pytest.CaptureFixture[str]) -> None:
    """The page is what the command itself would print."""
    for verb in application.VERBS:
        assert 0 == entry.main([verb, "--help"])
        shown = capsys.readouterr().out
        assert 0 == application.run([verb, "--help"])
        assert shown == capsys.readouterr().out
        assert shown.startswith(f"Usage: kubectl covet {verb} ")


@pytest.mark.parametrize("arguments", [["--help"], ["-h"]])
def test_the_command_has_its_page(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """It lists every verb, none of them cut short."""
    assert 0 == entry.main(arguments)
    shown = capsys.readouterr().out
    listed = shown.partition("Commands:\n")[2].partition("\n\n")[0]
    assert list(application.VERBS) == [line.split()[0] for line in listed.splitlines()]
    assert "..." not in listed


@pytest.mark.parametrize("arguments", [["covet", "--help"], ["../status", "--help"], ["nothing", "-h"]])
def test_what_is_no_verb_has_no_page(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A file is read for a verb only."""
    assert 2 == entry.main(arguments)
    assert "No such command" in capsys.readouterr().err


def test_help_takes_at_most_four_times_a_bare_python() -> None:
    """In processor time, the best of many runs of each: on a busy machine the clock measures the others."""
    bare, asked = [], []
    for _ in range(15):
        bare.append(seconds("-c", "pass"))
        asked.append(seconds("-m", "covet.cli", "--help"))
    assert min(asked) <= MOST * min(bare)


def test_help_loads_nothing_that_is_slow() -> None:
    """The reason for the time above, which no machine can blur."""
    script = "import sys; from covet.cli import __main__ as m; m.main(['-h']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    slow = {"click", "rich", "pydantic", "kubernetes", "aiohttp", "asyncio"}
    assert set() == slow & set(done.stderr.split())


def test_a_missing_library_is_named(tmp_path: pathlib.Path) -> None:
    """Installed without its extra, the command says what to install."""
    script = (
        "import sys; sys.modules['click'] = None; from covet.cli import __main__ as m; sys.exit(m.main(['status']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path
    )
    assert 70 == done.returncode
    assert "needs the package click: install covet-operator with its extra `cli`" in done.stderr
    assert "Traceback" not in done.stderr


def test_every_verb_runs_without_what_only_the_operator_has(tmp_path: pathlib.Path) -> None:
    """Whoever installs the extra `cli` alone gets a whole command."""
    blocked = ("kopf", "covet_hasher")
    script = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({blocked!r}))\n"
        "from covet.cli import application, completing, reaching\n"
        "from covet.kube import person\n"
        "context = application.click.Context(application.main)\n"
        "print(sum(application.main.get_command(context, verb) is not None for verb in application.VERBS))\n"
        "from covet.api import crd\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path
    )
    assert (f"{len(application.VERBS)}\n", "") == (done.stdout, done.stderr)


def test_what_the_command_loads_is_declared() -> None:
    """Every library is a direct dependency with a lower bound and a reason; both entry points are there."""
    text = (ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)["project"]
    declared = project["optional-dependencies"]["cli"]
    assert {"click", "cryptography", "kubernetes", "pydantic", "pyyaml", "rich"} == {
        line.partition(">=")[0] for line in declared
    }
    reasons = {line: text.partition(f'"{line}",')[2].splitlines()[0].strip() for line in declared}
    assert [] == [line for line, reason in reasons.items() if ">=" not in line or not reason.startswith("# ")]
    assert "covet.cli.__main__:main" == project["scripts"]["kubectl-covet"]
    assert "covet.cli.completing:main" == project["scripts"]["kubectl_complete-covet"]


def seconds(*arguments: str) -> float:
    """Return the processor time that Python takes with these arguments; it neither waits nor reads from afar."""
    silence = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    process = os.posix_spawn(sys.executable, [sys.executable, *arguments], clean(), file_actions=silence)
    _, status, used = os.wait4(process, 0)
    assert 0 == status
    return used.ru_utime + used.ru_stime


def clean() -> dict[str, str]:
    """Return the environment without what would measure coverage within."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("COV_", "COVERAGE_"))}
