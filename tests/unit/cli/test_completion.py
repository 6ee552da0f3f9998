"""The Tab key offers verbs, options and the names of what is there, and never an error."""

import asyncio
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

from covet.cli import __main__ as entry
from covet.cli import application, completing
from tests.unit.cli.surroundings import INSTANCES, Caller, Surroundings


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person is not kept waiting; a test on a busy machine may be."""
    monkeypatch.setattr(completing, "PATIENCE", 60.0)


async def offered(caller: Caller, *words: str) -> list[str]:
    """Return what kubectl is answered."""
    async with asyncio.timeout(60):
        return await asyncio.to_thread(completing.lines, list(words), caller.outside())


async def test_verbs(caller: Caller) -> None:
    """With what each does, and no file names."""
    answered = await offered(caller, "s")
    assert ["status", "shards", "switchover"] == [line.partition("\t")[0] for line in answered[:-1]]
    assert "status\tShow a cluster: shards, primaries, conditions, standing orders." == answered[0]
    assert ":4" == answered[-1]


async def test_every_verb_is_offered(caller: Caller) -> None:
    """To whoever has typed nothing yet."""
    assert list(application.VERBS) == [line.partition("\t")[0] for line in (await offered(caller, ""))[:-1]]


@pytest.mark.parametrize(
    ("words", "names"),
    [
        (["status", ""], ["shop"]),
        (["status", "x"], []),
        (["why", "shop", "--shard", ""], ["s0", "s1"]),
        (["fence", "shop", "shop-s1"], [name for name in INSTANCES if "s1" in name]),
        (["switchover", "shop", "--shard", "s0", "--to", "shop-s0-c"], ["shop-s0-c"]),
        (["logs", "shop", "--level", "war"], ["warning"]),
        (["completion", ""], ["bash", "zsh", "fish"]),
        (["fence", "nothing", ""], []),
    ],
)
async def test_names(caller: Caller, words: list[str], names: list[str]) -> None:
    """Of clusters, shards and instances, by what stands on the line already."""
    assert [*names, ":4"] == [line.partition("\t")[0] for line in await offered(caller, *words)]


async def test_options(caller: Caller) -> None:
    """Those of the verb."""
    assert {"--shard", "--instance", "--since"} <= {
        line.partition("\t")[0] for line in await offered(caller, "logs", "shop", "--")
    }


async def test_the_namespace_on_the_line_counts(caller: Caller, around: Surroundings) -> None:
    """Wherever it stands."""
    other = {**around.objects[next(key for key in around.objects if key[2] == "shop")]}
    around.put({**other, "metadata": {"name": "cart", "namespace": "prod"}})
    for words in (["-n", "prod", "status", ""], ["status", "-n", "prod", ""]):
        assert ["cart", ":4"] == await offered(caller, *words)


async def test_whatever_goes_wrong_offers_nothing(caller: Caller, around: Surroundings) -> None:
    """A key press is no place for an error."""
    around.denied.add(("list", "covetclusters"))
    assert [":4"] == await offered(caller, "status", "")
    await around.stop()
    assert [":4"] == await offered(caller, "status", "")
    assert [":4"] == await offered(caller, "logs", "shop", "--instance", "")


def environment(folder: pathlib.Path) -> dict[str, str]:
    """Return one in which no API server is known."""
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": os.pathsep.join(sys.path),
        "KUBECONFIG": str(folder / "none"),
        "HOME": str(folder),
    }


def test_the_program_that_kubectl_asks(tmp_path: pathlib.Path) -> None:
    """Its entry point, as kubectl starts it: offers and a directive on the standard output, nothing else."""
    script = "import sys; from covet.cli import completing; sys.exit(completing.main())"
    done = subprocess.run(
        [sys.executable, "-c", script, "pa"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env=environment(tmp_path),
    )
    assert ("pause\tLet the operator change nothing, until resumed.\n:4\n", "") == (done.stdout, done.stderr)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It asks the program by the variable that the program heeds."""
    assert 0 == entry.main(["completion", shell])
    shown = capsys.readouterr().out
    assert completing.VARIABLE in shown
    assert "kubectl-covet" in shown


def test_bash_completes_by_the_script(tmp_path: pathlib.Path) -> None:
    """The shell itself reads it and asks the command."""
    program = tmp_path / "kubectl-covet"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m covet.cli "$@"\n')
    program.chmod(0o755)
    bash = shutil.which("bash")
    assert bash is not None
    script = completing.script("bash")
    ask = 'COMP_WORDS=(kubectl-covet re); COMP_CWORD=1; _kubectl_covet_completion kubectl-covet; echo "${COMPREPLY[@]}"'
    known = environment(tmp_path)
    done = subprocess.run(
        [bash, "--norc", "-c", f"{script}\n{ask}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={**known, "PATH": f"{tmp_path}:{known['PATH']}"},
    )
    assert "report restart reload resume\n" == done.stdout


def test_the_variable_is_the_one_that_the_entry_point_heeds() -> None:
    """It is written there once more, so that help loads nothing."""
    assert completing.VARIABLE == entry._COMPLETE
