"""Sessions of clients, seen by the server and ended through it."""

from covet.engines.configuration import SUPERUSER
from covet.engines.sessions import Session


async def end_sessions(session: Session) -> int:
    """End every client session but the agent's own and the members' replication; return how many."""
    return int(
        await session.value(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND usename <> $1",
            SUPERUSER,
        )
    )


async def known_processes(session: Session) -> frozenset[int]:
    """Return the process ids that the server shows; a backend that still authenticates is not among them."""
    return frozenset(row["pid"] for row in await session.rows("SELECT pid FROM pg_stat_activity"))
