"""The hand-written types of the binding and the binding itself are one pair."""

import pathlib
import subprocess
import sys

import covet_hasher


def test_the_types_are_those_of_the_compiled_module(tmp_path: pathlib.Path) -> None:
    """Stubtest finds no name, argument or default in which the two differ."""
    command = [sys.executable, "-m", "mypy.stubtest", "covet_hasher"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert (0, "") == (done.returncode, "" if done.returncode == 0 else done.stdout + done.stderr)


def test_the_package_says_that_it_is_typed() -> None:
    """Checkers of callers read the types of the installed package."""
    package = pathlib.Path(covet_hasher.__file__).parent
    assert (True, True) == ((package / "py.typed").exists(), (package / "_ring.pyi").exists())
