"""The agent's settings from its environment."""

import pytest

from covet.agent.settings import read_settings


@pytest.mark.parametrize(
    ("environment", "listen"),
    [
        ({}, "0.0.0.0"),  # noqa: S104  expected, not bound
        ({"COVET_POD_ADDRESS": "10.0.0.7"}, "0.0.0.0"),  # noqa: S104  expected, not bound
        ({"COVET_POD_ADDRESS": "fd00::7"}, "::"),
        ({"COVET_POD_ADDRESS": "fd00::7", "COVET_LISTEN": "fd00::7"}, "fd00::7"),
    ],
)
def test_it_listens_in_the_family_of_its_pod(environment: dict[str, str], listen: str) -> None:
    """A pod of an IPv6 cluster has no IPv4 address to be reached at."""
    assert listen == read_settings({"COVET_INSTANCE": "shop-s0-a", **environment}).listen
