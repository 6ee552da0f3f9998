"""A world with the cluster `shop` in it, all well."""

import pytest

from tests.unit.cli import samples
from tests.unit.cli.fakes import FakeAccess, World


@pytest.fixture
def world() -> World:
    """The command, and a cluster that it may steer."""
    return World(FakeAccess(samples.cluster()))
