"""Safeguards that only a real server shows the need of, each taken away in one test process.

The product has no switch for them: a bench program that is started with `--without NAME` replaces one function
by one that leaves its work out, in its own process.
"""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Final

from covet.agent import access, fencing, positions, rejoining, volume
from covet.agent.instance import Instance
from covet.core import names
from covet.core.agentapi import Position
from covet.engines import configuration, processes, unled, wal, walsenders
from covet.engines.configuration import Configuration
from covet.engines.sessions import Session

_render_settings = configuration.render_settings


def _keep_credentials(root: Path, term: int) -> None:
    del root, term


async def _keep_clients(inst: Instance) -> None:
    del inst


async def _keep_walsenders(session: Session, condition: str, *values: object, limit: float = 0.0) -> None:
    del session, condition, values, limit


async def _keep_orphans(pgdata: Path, grace: float = 0.2, limit: float = 10.0) -> bool:
    del pgdata, grace, limit
    return True


def _leave_gaps(pgdata: Path, term: int) -> int:
    del pgdata, term
    return 0


def _see_no_receivers(postmaster: int, instance: str) -> tuple[int, ...]:
    del postmaster, instance
    return ()


async def _ask_the_server_alone(inst: Instance) -> Position | None:
    async with inst.sql() as session:
        return Position(1, await session.value("SELECT (pg_last_wal_receive_lsn() - '0/0'::pg_lsn)::bigint") or 0)


def _share_the_slot(member: str) -> str:
    del member
    return ""


def _come_back_in_place(configuration: Configuration) -> str:
    return _render_settings(configuration).replace("restart_after_crash = 'off'", "restart_after_crash = 'on'")


def _inside(root: Path) -> Path:
    """Return the folder of a volume whose agent always kept its files in PGDATA."""
    inside = root / "pgdata" / "agent"
    if (root / "agent").exists():
        (root / "agent").rename(inside)
    return inside


async def _trust_the_promotion(session: Session) -> int:
    end = await wal.log_end(session)
    return end.term if end is not None else 0


async def _keep_signal(inst: Instance) -> None:
    del inst


LAPSES: Final[dict[str, tuple[ModuleType, str, Callable[..., object]]]] = {
    "credentials-removed": (fencing, "remove_credentials", _keep_credentials),
    "clients-shut-out": (access, "close", _keep_clients),
    "stale-walsender-ended": (walsenders, "end", _keep_walsenders),
    "orphans-reaped": (processes, "reap_folder", _keep_orphans),
    "placeholders-written": (unled, "fill", _leave_gaps),
    "receiver-ended": (fencing, "receivers", _see_no_receivers),
    "position-from-log": (positions, "read", _ask_the_server_alone),
    "walsenders-restarted": (walsenders, "end", _keep_walsenders),
    "slot-exclusive": (names, "slot", _share_the_slot),
    "restart-off": (configuration, "render_settings", _come_back_in_place),
}
"""By safeguard: the function that keeps it, and what stands in its place without."""

REJOINING: Final[dict[str, tuple[ModuleType, str, Callable[..., object]]]] = {
    "state-outside-pgdata": (volume, "state_folder", _inside),
    "checkpoint-first": (wal, "control_timeline", _trust_the_promotion),
    "signal-removed": (rejoining, "_remove_signal", _keep_signal),
}
"""The same for those that only a member shows which comes back into line."""


def take_away(name: str) -> None:
    """Leave a safeguard out from now on, in this process."""
    module, attribute, instead = (LAPSES | REJOINING)[name]
    assert callable(getattr(module, attribute)), f"{module.__name__} has no function {attribute} any more"
    setattr(module, attribute, instead)
