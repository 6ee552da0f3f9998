"""The page of what becomes of each change of a spec, made from the table that a test holds against a living cluster."""

import pathlib
from typing import Final

from covet.planner import changes

FILE: Final = "changes.md"
_INTRODUCTION: Final = """\
# Changes of a living cluster

<!-- Generated from operator/covet/planner/changes.py by `make generate`; edit the table there, not this page. -->

Every field of `spec` of a CovetCluster that lives, and what becomes of a change. Nothing is ignored in silence: a
change is applied, or refused with its reason, or it waits in `status.pendingChanges` and `Ready` is False until it is
taken back.

- **applied live**: without a restart of any server;
- **ordered restart**: replicas first, one at a time, then a switchover, then the former primary
  ([operator.md](../operator.md#restarts-in-order));
- **listed**: the cluster goes on as it is, and an entry in `status.pendingChanges` says why;
- **refused**: `kubectl apply` fails with the reason. An object that got past admission all the same, as under an older
  definition, is told by a condition or an entry of the given reason.

Values that cannot be (an even number of instances, a request above its limit, an unknown setting) are refused
whatever the field: at admission where the definition can say it, else with `Stalled=True`
([operator.md](../operator.md#reasons)).

| field of `spec` | a change is | reason | what happens |
|---|---|---|---|
"""


def render() -> str:
    """Return the page as Markdown."""
    rows = (
        f"| `{path}` | {fate.way.value} | {f'`{fate.reason}`' if fate.reason else ''} | {fate.says} |\n"
        for path, fate in changes.FATES.items()
    )
    return _INTRODUCTION + "".join(rows)


def write(root: pathlib.Path) -> None:
    """Write the page into a checkout."""
    (root / "docs" / "reference" / FILE).write_text(render(), encoding="utf-8")
