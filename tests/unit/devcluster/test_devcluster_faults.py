"""Cuts as nftables rules of the switch."""

import pathlib

import pytest

from tests.e2e.devcluster import faults
from tests.e2e.devcluster.errors import DevclusterError
from tests.e2e.devcluster.layout import Layout

LAYOUT = Layout("dev", 2, pathlib.Path("/state"))
NODES = [LAYOUT.node(number) for number in (1, 2, 3)]


def rules(*cuts: faults.Cut) -> dict[str, list[str]]:
    """Hook to the rules in its chain."""
    found: dict[str, list[str]] = {}
    hook = ""
    for line in faults.ruleset(LAYOUT, cuts).splitlines():
        words = line.split()
        if words[:1] == ["chain"]:
            hook = words[1]
        elif "drop" in words:
            found.setdefault(hook, []).append(" ".join(words[: words.index("drop")]))
    return found


def test_one_way_cut_drops_one_direction() -> None:
    """Only frames that come from the one and go to the other are lost."""
    expected = {"forward": ['iifname "cvt2n1" oifname "cvt2n2"']}
    assert expected == rules(*faults.between("node-1", "node-2", one_way=True))


def test_two_way_cut_is_two_cuts() -> None:
    """Without --one-way nothing passes in either direction."""
    assert 2 == len(rules(*faults.between("node-1", "node-2"))["forward"])


def test_control_plane_is_reached_by_the_switch_itself() -> None:
    """Frames to and from the control plane are not forwarded: they end and begin at the machine."""
    expected = {"input": ['iifname "cvt2n3"'], "output": ['oifname "cvt2n3"']}
    assert expected == rules(*faults.between("node-3", faults.CONTROL))


def test_cut_node_is_cut_from_everything() -> None:
    """A node off the network reaches neither the others nor the control plane, and they not it."""
    cuts = set(faults.around("node-2", NODES))
    others = {"node-1", "node-3", faults.CONTROL}
    expected = {faults.Cut("node-2", o) for o in others} | {faults.Cut(o, "node-2") for o in others}
    assert expected == cuts


def test_no_cuts_leave_no_table() -> None:
    """Healed, nothing of ours is left in the kernel."""
    assert "table bridge covet-dev\ndelete table bridge covet-dev\n" == faults.ruleset(LAYOUT, [])


def test_unknown_end_is_refused() -> None:
    """A name that is no node must not become a rule that matches nothing."""
    with pytest.raises(DevclusterError, match="neither a node"):
        faults.ruleset(LAYOUT, [faults.Cut("nodeone", "node-2")])
