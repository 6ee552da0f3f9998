"""Run one program to its end, with what it said in the error when it fails."""

import subprocess
from collections.abc import Sequence

from tests.e2e.devcluster.errors import DevclusterError


def run(*argv: object, stdin: str | None = None, timeout: float = 60, check: bool = True) -> str:
    """Run a program without a shell and return what it printed.

    Raises DevclusterError if it fails (unless ``check`` is false), takes longer
    than ``timeout`` seconds or is not installed.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=timeout, check=False)
    except (subprocess.TimeoutExpired, FileNotFoundError) as error:
        raise DevclusterError(f"{' '.join(words)}: {error}") from error
    if check and done.returncode:
        raise DevclusterError(f"{' '.join(words)}: exit {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def run_all(commands: Sequence[Sequence[object]]) -> None:
    """Run programs one after the other; the first failure ends it."""
    for words in commands:
        run(*words)
