"""The alerts: equal to the committed file, true by promtool in a firing and a quiet case, each with its runbook."""

import pathlib
import re
import subprocess
from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from covet.core import metrics
from tests.unit.telemetry import alertcases
from tests.unit.telemetry.alertcases import Case
from tools.telemetry import alerts, promql

ROOT = pathlib.Path(__file__).resolve().parents[3]
VERBS = {path.stem for path in (ROOT / "operator" / "covet" / "cli" / "verbs").glob("[a-z]*.py")}
HEADINGS = ["What you see", "What is at stake", "Look", "Do", "Verify", "Undo"]
BY_NAME = {alert.name: alert for alert in alerts.ALERTS}


def promtool(*arguments: str) -> str:
    """Run promtool, which Debian's package prometheus brings; return what it said, its exit status in front."""
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)
    return f"{done.returncode}: {done.stdout}{done.stderr}"


def said(template: str, labels: Mapping[str, str], value: Mapping[str, str]) -> str:
    """Return a sentence as an alert says it."""
    known = {**{f"$labels.{name}": found for name, found in labels.items()}, **value}
    return re.sub(r"{{ (.+?) }}", lambda found: known[found[1]], template)


def played(case: Case, values: Mapping[str, str], expected: list[dict[str, Any]]) -> dict[str, Any]:
    """Return a test in promtool's words."""
    return {
        "name": f"{case.alert} {'fires' if expected else 'is quiet'} with {dict(values)}",
        "interval": "1m",
        "input_series": [{"series": name, "values": text} for name, text in values.items()],
        "alert_rule_test": [{"eval_time": f"{case.minute}m", "alertname": case.alert, "exp_alerts": expected}],
    }


def fired(case: Case) -> dict[str, Any]:
    """Return the alert that a case expects, in promtool's words."""
    alert = BY_NAME[case.alert]
    sentences = {"summary": alert.summary, "description": alert.description, "runbook": str(alert.runbook)}
    return {
        "exp_labels": {"severity": alert.severity.value, **case.labels},
        "exp_annotations": {name: said(text, case.labels, case.value) for name, text in sentences.items()},
    }


def test_the_committed_rules_are_the_generated_ones() -> None:
    """An alert that is changed without `make generate` fails here."""
    assert alerts.render() == (ROOT / alerts.FILE).read_text(encoding="utf-8")


def test_prometheus_takes_the_rules() -> None:
    """Every expression and every sentence parses."""
    answer = promtool("check", "rules", str(ROOT / alerts.FILE))
    assert answer.startswith("0: "), answer
    assert f"SUCCESS: {len(alerts.ALERTS)} rules found" in answer


def test_alerts_fire_and_are_quiet(tmp_path: pathlib.Path) -> None:
    """With the one set of series each fires, with labels and sentences as expected; with the other it does not."""
    firing = [played(case, case.firing, [fired(case)]) for case in alertcases.CASES]
    quiet = [played(case, case.quiet, []) for case in alertcases.CASES]
    tests = firing + quiet
    file = tmp_path / "tests.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [str(ROOT / alerts.FILE)], "tests": tests}))
    answer = promtool("test", "rules", str(file))
    assert answer.startswith("0: "), answer
    assert "SUCCESS" in answer


def test_every_alert_is_played_back() -> None:
    """None of the ten is only believed."""
    assert set(BY_NAME) == {case.alert for case in alertcases.CASES}
    assert 10 == len(alerts.ALERTS)


def test_what_is_played_back_are_series_that_exist() -> None:
    """A case with a label or a name that nobody exports proves nothing."""
    known = {row.name: {*metrics.labels_of(row), "pod", "job", "namespace"} for row in metrics.table()}
    for case in alertcases.CASES:
        for text in (*case.firing, *case.quiet):
            name, _, inner = text.partition("{")
            assert set(re.findall(r"(\w+)=", inner)) <= known[name], text


def test_every_alert_has_its_runbook_and_no_page_is_left_over() -> None:
    """Whoever is woken finds a page, with the same headings in the same order."""
    pages = {path.stem: path.read_text() for path in (ROOT / alerts.RUNBOOKS).glob("*.md")}
    assert set(BY_NAME) == set(pages)
    for name, text in pages.items():
        assert text.startswith(f"# {name}\n"), name
        assert HEADINGS == re.findall(r"^## (.+)$", text, re.MULTILINE), name
        assert f"Severity: {BY_NAME[name].severity.value}" in text


def test_commands_of_the_runbooks_exist() -> None:
    """Every `kubectl covet` verb that a page names is one; every metric is in the table."""
    names = {row.name for row in metrics.table()}
    for path in (ROOT / alerts.RUNBOOKS).glob("*.md"):
        text = path.read_text()
        assert set(re.findall(r"kubectl covet ([a-z]+)", text)) <= VERBS, path.name
        told = {re.sub(r"_(bucket|sum|count)$", "", name) for name in re.findall(r"\bcovet_[a-z_]+[a-z]\b", text)}
        assert told - {"covet_cluster"} <= names, path.name


def test_a_matcher_names_a_label_that_the_metric_has() -> None:
    """A selector that can match nothing is refused when it is written."""
    with pytest.raises(ValueError, match="no label state"):
        promql.select(metrics.AGENT_STREAMING, 'state="x"')
