"""Safeguards that only a real server shows the need of, each taken away in one test process.

The product has no switch for them: a bench program that is started with `--without NAME` replaces one function
by one that leaves its work out, in its own process.
"""

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Final

from covet.agent import access, fencing
from covet.agent.instance import Instance
from covet.engines import processes, unled, walsenders
from covet.engines.sessions import Session


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


LAPSES: Final[dict[str, tuple[ModuleType, str, Callable[..., object]]]] = {
    "credentials-removed": (fencing, "remove_credentials", _keep_credentials),
    "clients-shut-out": (access, "close", _keep_clients),
    "stale-walsender-ended": (walsenders, "end", _keep_walsenders),
    "orphans-reaped": (processes, "reap_folder", _keep_orphans),
    "placeholders-written": (unled, "fill", _leave_gaps),
}
"""By safeguard: the function that keeps it, and what stands in its place without."""


def take_away(name: str) -> None:
    """Leave a safeguard out from now on, in this process."""
    module, attribute, instead = LAPSES[name]
    assert callable(getattr(module, attribute)), f"{module.__name__} has no function {attribute} any more"
    setattr(module, attribute, instead)
