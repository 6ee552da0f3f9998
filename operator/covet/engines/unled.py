"""Terms that nobody led, in the server's count of timelines.

A server looks for the newest timeline by counting up from its own until a history file is missing, and mints
the number after it. So a file stands for every term that came to nothing: one of them missing below a
timeline that was led hides that timeline, and one too many above the last leads the next start astray.
"""

from pathlib import Path
from typing import Final

from covet.engines import timelines

_FIRST_WITH_HISTORY: Final = 2


def fill(pgdata: Path, term: int) -> int:
    """Write a history file for every timeline below a term that has none, and return how many were missing.

    They are not fsynced: whatever of them a crash takes is written again before the next start.
    """
    log = pgdata / "pg_wal"
    missing = [
        path for number in range(_FIRST_WITH_HISTORY, term) if not (path := log / timelines.name(number)).exists()
    ]
    for path in missing:
        path.write_text(timelines.UNLED)
        path.chmod(0o600)
    return len(missing)


def above(pgdata: Path, term: int) -> tuple[Path, ...]:
    """Return the history files of timelines above a term."""
    kept = timelines.name(term)
    # Names of one length sort as their numbers do.
    return tuple(path for path in sorted((pgdata / "pg_wal").glob("*.history")) if path.name > kept)


def remove_above(pgdata: Path, term: int) -> tuple[str, ...]:
    """Remove the history files of timelines above a term and return their names."""
    removed = above(pgdata, term)
    for path in removed:
        path.unlink(missing_ok=True)
    return tuple(path.name for path in removed)
