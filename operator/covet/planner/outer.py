"""What is wrong with the authority of somebody else that signs the cluster's own, and what waits for it. Pure.

It serves clients alone: whatever is wrong with it, no server stops, and nothing that one shows is taken back.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Final

from covet.core import events
from covet.planner.authorityfacts import OuterFacts
from covet.planner.facts import ClusterFacts, Finding

FIELD: Final = "spec.certificates.authoritySecret"
_LEFT: Final = 6
"""Part of its life that is left of an authority that somebody should have renewed; cert-manager does with a third."""


def findings(facts: ClusterFacts, now: dt.datetime) -> Iterator[Finding]:
    """Yield what is wrong with it: a person mends it, or whoever keeps the Secret does in time."""
    found = facts.outer
    if found is None:
        return
    subject = f"Secret/{found.secret}"
    if found.problem is not None:
        stop = "" if found.problem.endswith(".") else "."
        yield Finding(
            events.AUTHORITY_SECRET_MISSING if found.absent else events.AUTHORITY_SECRET_UNUSABLE,
            f"{FIELD}: {found.secret}: {found.problem}{stop} Servers go on with what they show; clients that trust the"
            " cluster's own authority notice nothing.",
            stalls=not found.absent,
            subject=subject,
        )
    elif found.ends is not None and found.made is not None and now >= found.ends - (found.ends - found.made) / _LEFT:
        yield Finding(
            events.AUTHORITY_SECRET_EXPIRING,
            f"{FIELD}: {found.secret}: {found.subject} ends on {found.ends:%Y-%m-%d %H:%M} UTC, and with it the way by"
            " which its clients verify the servers. Renew it.",
            subject=subject,
        )


def holds_up(found: OuterFacts | None, *, ordered: bool) -> str | None:
    """Return what another authority of the cluster has to wait for before it signs, None for nothing.

    Args:
        found: the outer authority, which has to sign that one for its clients.
        ordered: a person wants the other authority now.
    """
    if found is None or (found.problem is None and (found.ripe or ordered)):
        return None
    return f"Secret {found.secret} ({FIELD})"
