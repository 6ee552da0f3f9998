"""Cut and heal cables.

The rules sit in the switch (an nftables table of family bridge on the
machine), not in the nodes: a node that reboots finds its cables as cut as
before, and nothing in it can tell a cut cable from a silent peer. A cut drops
frames one way; a two-way cut is two of them. The state is read back from the
kernel, so there is no second copy to disagree with.
"""

import dataclasses
import re
from collections.abc import Iterable

from tests.e2e.devcluster.command import run
from tests.e2e.devcluster.errors import DevclusterError
from tests.e2e.devcluster.layout import Layout, NodeLayout

CONTROL = "control"
_RULE = re.compile(r'comment "cut (\S+) (\S+)"')


@dataclasses.dataclass(frozen=True, order=True)
class Cut:
    """Frames from ``source`` to ``target`` (a node or ``control``) are dropped."""

    source: str
    target: str


def current(layout: Layout) -> list[Cut]:
    """The cuts in force, sorted."""
    rules = run("nft", "list", "table", "bridge", layout.faults_table, check=False)
    return sorted({Cut(source, target) for source, target in _RULE.findall(rules)})


def apply(layout: Layout, cuts: Iterable[Cut]) -> None:
    """Make these the cuts in force, all in one transaction."""
    run("nft", "-f", "-", stdin=ruleset(layout, sorted(set(cuts))))


def ruleset(layout: Layout, cuts: Iterable[Cut]) -> str:
    """The nftables commands for the cuts. Pure.

    A frame between two nodes passes ``forward``; one between a node and the
    machine itself (control plane, CoreDNS) passes ``input`` or ``output``.
    """
    table = f"table bridge {layout.faults_table}"
    lines = [table, f"delete {table}"]
    cuts = list(cuts)
    if not cuts:
        return "\n".join(lines) + "\n"
    lines.append(f"{table} {{")
    for hook in ("forward", "input", "output"):
        lines.append(f"  chain {hook} {{ type filter hook {hook} priority 0; policy accept;")
        lines += [f"    {rule}" for cut in cuts if (rule := _rule(layout, hook, cut))]
        lines.append("  }")
    lines.append("}")
    return "\n".join(lines) + "\n"


def between(one: str, other: str, *, one_way: bool = False) -> list[Cut]:
    """The cuts from one end to the other, and back unless ``one_way``."""
    return [Cut(one, other)] if one_way else [Cut(one, other), Cut(other, one)]


def around(name: str, nodes: Iterable[NodeLayout]) -> list[Cut]:
    """The cuts that take a node off the network: from every other node and from the control plane."""
    ends = [CONTROL, *(node.name for node in nodes if node.name != name)]
    return [cut for end in ends for cut in between(name, end)]


def _rule(layout: Layout, hook: str, cut: Cut) -> str | None:
    comment = f'drop comment "cut {cut.source} {cut.target}"'
    if CONTROL not in (cut.source, cut.target):
        match = f'iifname "{_port(layout, cut.source)}" oifname "{_port(layout, cut.target)}"'
        return f"{match} {comment}" if hook == "forward" else None
    if cut.target == CONTROL:
        return f'iifname "{_port(layout, cut.source)}" {comment}' if hook == "input" else None
    return f'oifname "{_port(layout, cut.target)}" {comment}' if hook == "output" else None


def _port(layout: Layout, name: str) -> str:
    match = re.fullmatch(r"node-(\d+)", name)
    if match is None:
        raise DevclusterError(f"{name!r} is neither a node nor {CONTROL!r}")
    return layout.node(int(match[1])).host_interface
