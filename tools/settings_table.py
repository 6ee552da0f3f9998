"""Write the table of a server's settings by asking the server itself.

    python3 -m tools.settings_table        writes operator/covet/planner/postgresql15.py

It needs PostgreSQL 15 installed. A database is made in a temporary folder and asked in single-user
mode, so nothing listens anywhere. `COVET_PG_BIN` names another folder of programs.
"""

import contextlib
import dataclasses
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from tools import bootstrap

TARGET = bootstrap.ROOT / "operator" / "covet" / "planner" / "postgresql15.py"
PROGRAMS = "/usr/lib/postgresql/15/bin"
USER = "postgres"
PRELOADED = ("auto_explain", "pg_stat_statements")
LOADED = ("pg_prewarm", "pg_trgm", "plpgsql", "postgres_fdw")
BOUND = 120
"""Seconds that a program may take."""
QUESTION = (
    "SELECT lower(name), vartype, context, coalesce(unit, ''), coalesce(min_val, ''), coalesce(max_val, ''),"
    " coalesce(array_to_string(enumvals, ','), '') FROM pg_settings ORDER BY lower(name) COLLATE \"C\""
)
FORMAT = "DELIMITER '|'"

HEAD = '''"""Every setting of PostgreSQL 15 and of the extensions in the image; written by `make settings-table`.

A row is: name, type, context, unit, smallest and largest number, choices. The names are folded
to lower case, as the server compares them.
"""

import math
from typing import Final

from covet.planner.setting import Kind, Setting

_TABLE: Final = """\\
'''
TAIL = '''"""


def _read(row: str) -> tuple[str, Setting]:
    name, kind, context, unit, low, high, choices = row.split("|")
    return name, Setting(
        kind=Kind(kind),
        context=context,
        unit=unit,
        low=float(low) if low else -math.inf,
        high=float(high) if high else math.inf,
        choices=tuple(choices.split(",")) if kind == "enum" else (),
    )


SETTINGS: Final = dict(map(_read, _TABLE.splitlines()))
"""By name, what the server takes."""
'''


@dataclasses.dataclass(frozen=True)
class Database:
    """An empty database that no server runs on.

    Args:
        programs: folder of the server's programs.
        folder: a temporary folder, free for files of the server.
        data: its PGDATA.
        user: who the programs run as; None for who asks.
    """

    programs: pathlib.Path
    folder: pathlib.Path
    data: pathlib.Path
    user: str | None

    def run(self, program: str, *arguments: str, text: str = "", check: bool = True) -> str:
        """Run a program on the database and return what it printed, errors included.

        Raises:
            subprocess.CalledProcessError: it failed, and `check` is True.
        """
        done = subprocess.run(
            [str(self.programs / program), *arguments],
            user=self.user,
            cwd=self.folder,
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BOUND,
            check=check,
        )
        return done.stdout


@contextlib.contextmanager
def database() -> Iterator[Database]:
    """Make an empty database in a temporary folder, and remove it again."""
    programs = pathlib.Path(os.environ.get("COVET_PG_BIN", PROGRAMS))
    user = USER if os.geteuid() == 0 else None
    folder = pathlib.Path(tempfile.mkdtemp(prefix="covet-settings-"))
    try:
        if user is not None:
            shutil.chown(folder, user)
        made = Database(programs, folder, folder / "data", user)
        made.run("initdb", "-D", str(made.data), "-A", "trust", "--no-sync", "--locale=C")
        yield made
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def render() -> str:
    """Return the module's text, from a server that is made for it.

    Raises:
        subprocess.CalledProcessError: the server could not be made or asked.
    """
    with database() as made:
        answer = made.folder / "answer"
        statements = [*(f"LOAD '{library}';" for library in LOADED), f"COPY ({QUESTION}) TO '{answer}' ({FORMAT});"]
        preload = f"shared_preload_libraries={','.join(PRELOADED)}"
        made.run(
            "postgres", "--single", "-D", str(made.data), "-c", preload, "postgres", text="\n".join(statements) + "\n"
        )
        return HEAD + answer.read_text(encoding="ascii") + TAIL


def main() -> None:
    """Write the table."""
    TARGET.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"{TARGET.relative_to(bootstrap.ROOT)}\n")


if __name__ == "__main__":
    main()
