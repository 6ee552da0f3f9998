"""What others changed of a cluster's objects, in words; whoever put it back tells so.

One Event for each object, a few of them at a time: a tool that fights for fifty objects fills no list of Events.
"""

from collections.abc import Mapping
from typing import Final

from covet.core import events
from covet.core.names import FIELD_MANAGER
from covet.planner.facts import Drift, ObjectKey
from covet.planner.telling import News

OBJECTS: Final = 4
"""Objects of one round that get an Event each; the others share one."""
FIELDS: Final = 4
"""Fields of one object that are named."""


def news(healed: Mapping[ObjectKey, Drift]) -> tuple[News, ...]:
    """Return what to tell of objects that were put back.

    Args:
        healed: by object, what had become of it.
    """
    keys = sorted(healed)
    single = keys if len(keys) <= OBJECTS + 1 else keys[:OBJECTS]
    told = [_sentence(key, healed[key]) for key in single]
    rest = keys[len(single) :]
    if rest:
        listed = ", ".join(f"{kind} {name}" for kind, _, name in rest)
        told.append(f"{len(rest)} more objects had been changed or deleted and are put back: {listed}.")
    return tuple(News(events.DRIFT_HEALED, message, warning=True) for message in told)


def _sentence(key: ObjectKey, drift: Drift) -> str:
    kind, _, name = key
    if not drift.fields:
        return f"{kind} {name} had been deleted and is made anew."
    more = f" and {len(drift.fields) - FIELDS} more" if len(drift.fields) > FIELDS else ""
    whom = f" by {', '.join(drift.managers)}" if drift.managers else f" by another than {FIELD_MANAGER}"
    fields = f"{', '.join(drift.fields[:FIELDS])}{more}"
    return f"{kind} {name}: {fields} had been changed{whom} and is put back. Edit the CovetCluster instead."
