"""The page of metrics: equal to the committed one, complete, and true of what is exported."""

import pathlib
import re
from typing import Any

import prometheus_client
import pytest

from covet.agent import chronicle, disk, telemetry
from covet.core import metrics
from covet.handlers.figures import Figures
from tools.telemetry import reference

ROOT = pathlib.Path(__file__).resolve().parents[3]
WHOSE = ("ns", "shop", "s0", "shop-s0-a")


def exported(text: bytes) -> dict[str, str]:
    """Return name and kind of every family of Covet's in an exposition."""
    found = re.findall(r"^# TYPE (covet_\w+) (\w+)$", text.decode(), re.MULTILINE)
    return {name: kind for name, kind in found if not name.endswith("_created")}


def test_the_committed_page_is_the_generated_one() -> None:
    """A metric that is changed without `make generate` fails here."""
    assert reference.render() == (ROOT / "docs" / "reference" / reference.FILE).read_text(encoding="utf-8")


def test_an_agent_exports_its_rows_and_no_other() -> None:
    """The agents' part of the page is what an agent writes."""
    wanted = {row.name: row.kind.value for row in metrics.table() if metrics.of_agent(row)}
    assert wanted == exported(telemetry.Telemetry().text())


def test_the_operator_exports_its_rows_and_no_other() -> None:
    """The operator's part of the page is what the operator writes."""
    wanted = {row.name: row.kind.value for row in metrics.table() if not metrics.of_agent(row)}
    assert wanted == exported(prometheus_client.generate_latest(Figures().registry))


def test_no_label_is_called_cluster() -> None:
    """That name is the Kubernetes cluster's; and no row takes a label that every series has already."""
    labels = [label for row in metrics.table() for label in metrics.labels_of(row)]
    assert "cluster" not in labels
    for row in metrics.table():
        assert len(set(metrics.labels_of(row))) == len(metrics.labels_of(row)), row.name


def test_every_series_of_an_agent_says_whose_it_is() -> None:
    """A scraper needs no rules of its own to tell clusters apart."""
    made = telemetry.Telemetry()
    made.identify(*WHOSE)
    made.streaming.set(1)
    lines = [line for line in made.text().decode().splitlines() if not line.startswith("#")]
    whose = [f'{name}="{value}"' for name, value in zip(metrics.INSTANCE_LABELS, WHOSE, strict=True)]
    assert [] == [line for line in lines if not all(label in line for label in whose)]
    assert 'covet_agent_streaming{covet_cluster="shop",instance="shop-s0-a",namespace="ns",shard="s0"} 1.0' in lines


def test_failovers_are_counted_from_0() -> None:
    """The first failover of a reason is an increase, because its series was there before."""
    known = {chronicle.UNSAID, disk.STALLED, disk.READ_ONLY, disk.FAILED}
    assert known <= set(telemetry.REASONS)
    assert chronicle.PHASES == telemetry.PHASES
    made = telemetry.Telemetry()
    for reason in telemetry.REASONS:
        assert 0.0 == made.registry.get_sample_value("covet_failovers_total", {"reason": reason})


def test_shards_are_told_once_their_cluster_is_born() -> None:
    """What is being created or deleted misses nothing; what is gone is forgotten."""
    made = Figures()

    def cluster(name: str, phase: str) -> dict[str, Any]:
        said = {"phase": phase, "effective": {"shards": {"count": 2, "instances": 3}}}
        return {"metadata": {"namespace": "ns", "name": name}, "status": said}

    def told(name: str, shard: str) -> float | None:
        labels = {"namespace": "ns", "covet_cluster": name, "shard": shard}
        return made.registry.get_sample_value("covet_shard_instances", labels)

    bare = {"metadata": {"namespace": "ns", "name": "new"}}
    made.note_shards([cluster("shop", "Ready"), cluster("young", "Creating"), bare])
    assert [3.0, 3.0, None] == [told("shop", "s0"), told("shop", "s1"), told("shop", "s2")]
    assert [None, None] == [told("young", "s0"), told("new", "s0")]
    made.note_shards([])
    assert told("shop", "s0") is None


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("covet_agent_lag_bytes", "bytes"),
        ("covet_agent_discarded_bytes_total", "bytes"),
        ("covet_failover_duration_seconds", "seconds"),
        ("covet_agent_certificate_expiry_timestamp_seconds", "seconds since 1970"),
        ("covet_failovers_total", "1"),
    ],
)
def test_units_stand_in_names(name: str, unit: str) -> None:
    """Who reads a name knows what the number means."""
    (row,) = [row for row in metrics.table() if row.name == name]
    assert unit == reference.unit_of(row)
