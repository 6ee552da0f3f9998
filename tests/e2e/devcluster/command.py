"""Run one program to its end, with what it said in the error when it fails."""

import os
import subprocess

from tests.e2e.devcluster.errors import DevclusterError

SYSTEM_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin"


def environment() -> dict[str, str]:
    """Our environment, with the system's programs on PATH: a root shell made by su has none of them."""
    return {**os.environ, "PATH": f"{os.environ.get('PATH', '')}:{SYSTEM_FOLDERS}".lstrip(":")}


def run(*argv: object, stdin: str | None = None, timeout: float = 60, check: bool = True) -> str:
    """Run a program without a shell and return what it printed.

    Raises DevclusterError if it fails (unless ``check`` is false), takes longer
    than ``timeout`` seconds or is not installed.
    """
    words = [str(word) for word in argv]
    try:
        done = subprocess.run(
            words, input=stdin, env=environment(), capture_output=True, text=True, timeout=timeout, check=False
        )
    except (subprocess.TimeoutExpired, FileNotFoundError) as error:
        raise DevclusterError(f"{' '.join(words)}: {error}") from error
    if check and done.returncode:
        raise DevclusterError(f"{' '.join(words)}: exit {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout
