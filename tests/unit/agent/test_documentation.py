"""docs/agent.md and the code say the same."""

import re
from pathlib import Path

from covet.agent import api
from covet.core import metrics

PAGE = (Path(__file__).parents[3] / "docs" / "agent.md").read_text()


def test_every_metric_of_the_agent_is_documented_and_no_other() -> None:
    """The table of metrics has a row for each of the agent's and the voter's, with its kind and labels."""
    rows = {
        (name, kind, tuple(labels.split(", ")) if labels else ())
        for name, labels, kind in re.findall(r"^\| `(covet_\w+)`(?: \{(.*)\})? \| (\w+) \|", PAGE, re.MULTILINE)
    }
    known = [row for row in vars(metrics).values() if isinstance(row, metrics.Metric)]
    prefixes = ("covet_agent_", "covet_voter_", "covet_failover")
    agents = {(m.name, m.kind.value, m.labels) for m in known if m.name.startswith(prefixes)}
    assert agents == rows


def test_every_route_is_documented_for_its_callers() -> None:
    """The table of routes names each route and who may use it."""
    words = {
        api.Caller.OPERATOR: "operator",
        api.Caller.PEER: "instances of the shard",
        api.Caller.SHARD: "operator, instances of the shard",
    }
    for method, path, caller, _ in api.ROUTES:
        assert f"| `{method} {path}` | {words[caller]} |" in PAGE
