"""docs/agent.md and the code say the same."""

from pathlib import Path

from covet.agent import api
from covet.core import topology

PAGE = (Path(__file__).parents[3] / "docs" / "agent.md").read_text()


def test_every_route_is_documented_for_its_callers() -> None:
    """The table of routes names each route and who may use it."""
    words = {
        api.Caller.OPERATOR: "operator",
        api.Caller.PEER: "instances of the shard",
        api.Caller.SHARD: "operator, instances of the shard",
    }
    for method, path, caller, _ in api.ROUTES:
        assert f"| `{method} {path}` | {words[caller]} |" in PAGE
    assert f"| `GET {topology.ROUTE}` | operator, routers of the cluster |" in PAGE
