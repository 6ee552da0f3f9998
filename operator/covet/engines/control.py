"""The control file: how far a data directory is known to have got, and what a standby of it must not go below."""

import dataclasses
import re
from pathlib import Path
from typing import Final

from covet.engines import programs as server_programs
from covet.engines.programs import ProgramError
from covet.engines.server import Spawner

_LINE: Final = re.compile(r"^([^:]+):\s+(.*?)\s*$", re.MULTILINE)
_FLOORS: Final = {
    "max_connections setting": "max_connections",
    "max_worker_processes setting": "max_worker_processes",
    "max_wal_senders setting": "max_wal_senders",
    "max_prepared_xacts setting": "max_prepared_transactions",
    "max_locks_per_xact setting": "max_locks_per_transaction",
}


@dataclasses.dataclass(frozen=True)
class Control:
    """What the control file says.

    Args:
        redo: where a start begins to replay, in bytes.
        timeline: timeline of the last checkpoint.
        least: the log has to be replayed up to here before the data fit together, in bytes; 0 for no such point.
        least_timeline: timeline of `least`; 0 for none.
        floors: settings of the primary that a standby must not go below, by their names.
    """

    redo: int
    timeline: int
    least: int
    least_timeline: int
    floors: dict[str, int]


async def read(programs: Path, pgdata: Path, spawn: Spawner) -> Control:
    """Read the control file of a data directory, whether or not its server runs.

    Raises:
        ProgramError: it cannot be read.
    """
    output = await server_programs.run(spawn, str(programs / "pg_controldata"), "--pgdata", str(pgdata), limit=10.0)
    found = {match[1].strip(): match[2] for match in _LINE.finditer(output)}
    try:
        return Control(
            redo=parse_lsn(found["Latest checkpoint's REDO location"]),
            timeline=int(found["Latest checkpoint's TimeLineID"]),
            least=parse_lsn(found["Minimum recovery ending location"]),
            least_timeline=int(found["Min recovery ending loc's timeline"]),
            floors={name: int(found[label]) for label, name in _FLOORS.items()},
        )
    except (KeyError, ValueError) as error:
        raise ProgramError("ControlFileUnreadable", f"pg_controldata left out or garbled {error}.") from error


def parse_lsn(text: str) -> int:
    """Return an LSN in bytes.

    Raises:
        ValueError: it is none.
    """
    high, _, low = text.partition("/")
    return (int(high, 16) << 32) + int(low, 16)
