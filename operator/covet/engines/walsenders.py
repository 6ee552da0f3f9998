"""Who streams from this primary: members that follow, and copies under way."""

import asyncio
import dataclasses
from typing import Final

from covet.core.agentapi import FollowerLink
from covet.core.errors import RefusedError
from covet.engines.sessions import Session

END_SECONDS: Final = 2.0
"""How long walsenders may take to end."""
_AGAIN_SECONDS: Final = 0.01


@dataclasses.dataclass(frozen=True)
class Walsender:
    """A connection that streams from this server, by the role that it came with."""

    role: str
    application: str
    state: str
    flushed: int
    lag: int
    synchronous: bool


async def read(session: Session) -> tuple[Walsender, ...]:
    """Return who streams from this primary."""
    rows = await session.rows(
        "SELECT usename, application_name, state, coalesce(flush_lsn - '0/0'::pg_lsn, 0)::bigint AS flushed,"
        " coalesce(pg_current_wal_flush_lsn() - flush_lsn, 0)::bigint AS lag,"
        " sync_state IN ('sync', 'quorum') AS synchronous FROM pg_stat_replication"
    )
    return tuple(
        Walsender(r["usename"], r["application_name"], r["state"], r["flushed"], max(0, r["lag"]), r["synchronous"])
        for r in rows
    )


def links(senders: tuple[Walsender, ...], cohort: tuple[str, ...], leader: str) -> tuple[FollowerLink, ...]:
    """Return the followers of a leader: who streams, and who of the cohort is absent."""
    by_member = {s.application: s for s in senders if not s.application.startswith("clone_")}
    members = sorted((set(cohort) | set(by_member)) - {leader})
    return tuple(
        FollowerLink(member, sender.state, sender.lag, sender.synchronous)
        if (sender := by_member.get(member))
        else FollowerLink(member, "absent", None, synchronous=False)
        for member in members
    )


@dataclasses.dataclass(frozen=True)
class Reply:
    """A member that streams from this primary, and when its last reply was sent.

    Args:
        at: seconds since the epoch by the clock of the member's host: good for telling one reply from another.
        lag: bytes that it has not flushed yet.
    """

    member: str
    state: str
    at: float
    lag: int


async def replies(session: Session, limit: float) -> tuple[Reply, ...]:
    """Return what the walsenders of this primary heard last; copies under way are left out."""
    rows = await session.rows(
        "SELECT application_name AS member, state, coalesce(extract(epoch FROM reply_time), 0)::float8 AS at,"
        " coalesce(pg_current_wal_flush_lsn() - flush_lsn, 0)::bigint AS lag FROM pg_stat_replication"
        " WHERE NOT starts_with(application_name, 'clone_')",
        limit=limit,
    )
    return tuple(Reply(r["member"], r["state"], r["at"], max(0, r["lag"])) for r in rows)


async def flushed_by(session: Session, member: str) -> int | None:
    """Return the end of the log that a member has flushed, in bytes; None while it does not stream."""
    found = await session.value(
        "SELECT (flush_lsn - '0/0'::pg_lsn)::bigint FROM pg_stat_replication"
        " WHERE application_name = $1 AND state = 'streaming'",
        member,
        limit=1.0,
    )
    return int(found) if found is not None else None


async def end(session: Session, condition: str, *values: object, limit: float = END_SECONDS) -> None:
    """End the walsenders of pg_stat_replication that a condition names, and look that none of them is left.

    Each is told again and again: one whose receiver stands still hangs in sending that it ends, and only a second
    signal has it give up on that.

    Args:
        session: on the server that sends.
        condition: fixed text over the columns of pg_stat_replication.
        values: for its $1, $2 ...
        limit: seconds that they may take.

    Raises:
        RefusedError: some did not end in time: they may still acknowledge commits.
    """
    rows = await session.rows(
        f"SELECT pid, pg_terminate_backend(pid) FROM pg_stat_replication WHERE {condition}",  # noqa: S608  fixed texts
        *values,
    )
    pids = [row["pid"] for row in rows]
    deadline = asyncio.get_running_loop().time() + limit
    while pids:
        left = await session.rows(
            "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE backend_type = 'walsender' AND pid = ANY($1)",
            pids,
        )
        pids = [row["pid"] for row in left]
        if pids and asyncio.get_running_loop().time() > deadline:
            listed = ", ".join(map(str, pids))
            raise RefusedError("WalsendersRemain", f"Walsenders that were told to end still run: {listed}.")
        await asyncio.sleep(_AGAIN_SECONDS if pids else 0.0)
