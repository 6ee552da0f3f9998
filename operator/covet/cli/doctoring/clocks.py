"""Do clocks agree? Certificates, logs and the order of restarts go by them; elections do not.

What tells a clock is what its owner writes: the operator and every leader renew a Lease. Replicas write none; their
nodes are not judged.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Final

from covet.cli import failures
from covet.cli.doctoring import finding
from covet.cli.doctoring.facts import Facts
from covet.cli.doctoring.finding import Finding
from covet.cli.raw import Manifest

AREA: Final = "Clocks"
MOST: Final = 5.0
"""Seconds by which two clocks may differ; the API server tells its own to the second, and the questions take time."""
_WHY: Final = "Certificates begin and end by the clock, logs are merged by it, and a restart is ordered by it."


def check(facts: Facts) -> Iterator[Finding]:
    """Yield what there is to say about clocks."""
    if facts.server.now is None:
        yield Finding(finding.Grade.UNSEEN, AREA, "The API server does not tell its time.")
        return
    found = [*_own(facts.now, facts.server.now)]
    holders: list[str] = []
    for who, looked in facts.leases.items():
        if isinstance(looked, failures.Failure):
            found.append(finding.unseen(AREA, looked))
        for lease in finding.objects(looked):
            found += _lease(who, lease, facts.server.now)
            holders.append(_whose(who))
    yield from found
    if not found:
        judged = f"; so do those of {', '.join(holders)}" if holders else ""
        yield finding.good(AREA, f"The clock here agrees with the API server's{judged}.")


def _own(here: dt.datetime, there: dt.datetime) -> Iterator[Finding]:
    ahead = (here - there).total_seconds()
    if abs(ahead) > MOST:
        yield finding.doubtful(
            AREA,
            f"The clock here is {_seconds(ahead)} the API server's.",
            "Ages and days left are shown by the clock here.",
            "Set the clock of this machine by NTP.",
        )


def _lease(who: str, lease: Manifest, now: dt.datetime) -> Iterator[Finding]:
    spec = lease.get("spec") or {}
    holder = spec.get("holderIdentity") or "its holder"
    try:
        renewed = dt.datetime.fromisoformat(str(spec.get("renewTime")))
    except ValueError:
        return
    ahead = (renewed - now).total_seconds()
    whose = _whose(who)
    if ahead > MOST:
        yield finding.bad(
            AREA,
            f"The clock of {whose} ({holder}) is {_seconds(ahead)} the API server's.",
            _WHY,
            "Set the clock of its node by NTP.",
        )
    elif -ahead > float(spec.get("leaseDurationSeconds") or 30) + MOST:
        yield finding.doubtful(
            AREA,
            f"The Lease of {whose} ({holder}) was renewed {_span(-ahead)} ago by its own clock.",
            f"It does not reach the API server, there is none now, or its clock is behind. {_WHY}",
            "If it runs: set the clock of its node by NTP, and see that it reaches the API server.",
        )


def _whose(who: str) -> str:
    return who if who == "the operator" else f"the leader of {who}"


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _seconds(ahead: float) -> str:
    return f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'}"
