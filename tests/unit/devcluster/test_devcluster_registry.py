"""Clusters find their index, and their commands wait for nobody silently."""

import os
import pathlib

import pytest

from tests.e2e.devcluster import preflight, registry
from tests.e2e.devcluster.errors import DevclusterError


@pytest.fixture(autouse=True)
def state(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """A state folder of the test's own, not there yet."""
    folder = tmp_path / "state"
    monkeypatch.setenv("COVET_STATE", str(folder))
    return folder


def test_clusters_get_different_indexes() -> None:
    """The first free index is taken, also one that was given back."""
    assert [0, 1] == [registry.claim(name, 3).index for name in ("a", "b")]
    first = registry.find("a")
    assert first is not None
    (first.folder / "cluster.json").unlink()
    assert 0 == registry.claim("c", 1).index
    assert 1 == registry.node_count(registry.claim("d", 1))


def test_unknown_or_torn_cluster_is_none(state: pathlib.Path) -> None:
    """A folder that an interrupted run left without its record is no cluster."""
    assert registry.find("a") is None
    (state / "a").mkdir(parents=True)
    (state / "a" / "cluster.json.partial").write_text("{")
    assert registry.find("a") is None


def test_two_commands_on_one_cluster_are_refused() -> None:
    """The second is told at once; another cluster is not concerned."""
    with registry.exclusive("a"):
        with pytest.raises(DevclusterError, match="another command"), registry.exclusive("a"):
            pytest.fail("both hold the lock")
        with registry.exclusive("b"):
            pass
    with registry.exclusive("a"):
        pass


def test_locks_leave_no_trace(state: pathlib.Path) -> None:
    """With the last cluster the state folder is gone, locks included."""
    with registry.exclusive("a"):
        assert state.exists()
    assert not state.exists()


def test_everything_missing_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One message names the rights, the packages and the disk."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(preflight, "PROGRAMS", {"/nowhere/runc-x": "runc", "/nowhere/nft-x": "nftables"})
    monkeypatch.setattr(preflight, "MINIMAL_DISK_GIB", 10**9)
    with pytest.raises(DevclusterError) as caught:
        preflight.check()
    message = str(caught.value)
    assert "needs root" in message
    assert "apt-get install -y --no-install-recommends nftables runc" in message
    assert "GiB of disk" in message
