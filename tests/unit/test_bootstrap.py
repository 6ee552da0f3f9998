"""What the first command changes on a machine, and what it leaves as it was."""

import pathlib
import subprocess

import pytest

from tools import bootstrap


class FailedError(Exception):
    """An installation that fails, for these tests."""


def test_no_service_starts_while_packages_are_installed(tmp_path: pathlib.Path) -> None:
    """Debian's scripts are told 101, whatever they want to start, and are asked no more afterwards."""
    policy = tmp_path / "policy-rc.d"
    with bootstrap.services_stay_off(policy):
        answer = subprocess.run([policy, "containerd", "start"], check=False).returncode
    assert (101, False) == (answer, policy.exists())


def test_a_failed_installation_leaves_services_as_they_were(tmp_path: pathlib.Path) -> None:
    """A machine whose installation failed can start services again."""
    policy = tmp_path / "policy-rc.d"
    with pytest.raises(FailedError), bootstrap.services_stay_off(policy):
        raise FailedError
    assert not policy.exists()


def test_a_policy_of_the_machine_decides_as_before(tmp_path: pathlib.Path) -> None:
    """Where somebody decides already which services start, not a byte of that changes."""
    policy = tmp_path / "policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n")
    with bootstrap.services_stay_off(policy):
        during = policy.read_text()
    assert ("#!/bin/sh\nexit 0\n", "#!/bin/sh\nexit 0\n") == (during, policy.read_text())


def test_a_policy_that_leads_elsewhere_stays(tmp_path: pathlib.Path) -> None:
    """A link is somebody's decision too, even one that leads to nothing yet."""
    policy = tmp_path / "policy-rc.d"
    policy.symlink_to(tmp_path / "absent")
    with bootstrap.services_stay_off(policy):
        assert not (tmp_path / "absent").exists()
    assert policy.is_symlink()


def test_what_a_killed_installation_left_is_removed_by_the_next(tmp_path: pathlib.Path) -> None:
    """Services do not stay off for ever because one installation was killed."""
    policy = tmp_path / "policy-rc.d"
    policy.write_text(bootstrap.NO_SERVICE_STARTS)
    with bootstrap.services_stay_off(policy):
        assert policy.exists()
    assert not policy.exists()
