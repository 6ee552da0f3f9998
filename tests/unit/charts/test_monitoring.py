"""What the chart makes for the Prometheus operator: off by default, and true of operator, pods and policies."""

import pathlib
import re
from typing import Any

import pytest
import yaml

from covet.core import names, settings
from covet.manifests import policies
from tests.unit.charts.test_charts import CHARTS, MAJORS, environment, helm, one, rendered, template
from tests.unit.manifests import samples
from tools.telemetry import alerts

POD_MONITOR = ("metrics.podMonitor=true", "metrics.scrapers={monitoring}")
ALL = (*POD_MONITOR, "metrics.serviceMonitor=true", "metrics.prometheusRule=true")
KINDS = {"ServiceMonitor", "PodMonitor", "PrometheusRule"}


def pod_template() -> dict[str, Any]:
    """Return the pod template of a database."""
    objects = samples.shard_objects(samples.wanted(shards={"count": 1, "instances": 1}), samples.CLUSTER, "s0")
    (found,) = [made["spec"]["template"] for made in objects if made["kind"] == "StatefulSet"]
    return dict(found)


def test_nothing_is_asked_of_a_cluster_without_the_prometheus_operator() -> None:
    """Its definitions are not everywhere, and an object of an unknown kind stops an installation."""
    assert set() == KINDS & {made["kind"] for made in rendered()}
    assert set() == KINDS - {made["kind"] for made in rendered(*ALL)}


@pytest.mark.parametrize("major", MAJORS)
def test_monitors_that_could_see_nothing_are_refused(major: str) -> None:
    """The chart says which value is missing."""
    for values, says in (
        (("metrics.podMonitor=true",), "metrics.scrapers"),
        (("metrics.serviceMonitor=true", "metrics.service=false"), "metrics.service"),
        (("metrics.interval=often",), "interval"),
        (("metrics.scrapers={Monitoring}",), "scrapers"),
    ):
        given = [part for value in values for part in ("--set", value)]
        done = helm(major, "template", "covet", str(CHARTS / "covet"), *given)
        assert 0 != done.returncode
        assert says in done.stderr


@pytest.mark.parametrize("major", MAJORS)
def test_values_of_a_release_from_before_are_enough(major: str) -> None:
    """`helm upgrade --reuse-values` brings the old chart's values alone; what they lack is off."""
    missing = ("scrapers", "serviceMonitor", "podMonitor", "prometheusRule", "labels", "interval")
    given = tuple(f"metrics.{name}=null" for name in missing)
    made = [found for found in yaml.safe_load_all(template(major, *given)) if found]
    (deployment,) = [found for found in made if found["kind"] == "Deployment"]
    entries = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    assert {"name": "COVET_SCRAPER_NAMESPACES", "value": ""} in entries
    assert set() == KINDS & {found["kind"] for found in made}


def test_the_service_monitor_finds_the_operator() -> None:
    """By the labels and the port name of its Service, in its own namespace."""
    spec = one("ServiceMonitor", *ALL)["spec"]
    service = one("Service", *ALL)
    assert spec["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert {"matchNames": [service["metadata"]["namespace"]]} == spec["namespaceSelector"]
    (endpoint,) = spec["endpoints"]
    assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
    assert (True, "/metrics", "30s") == (endpoint["honorLabels"], endpoint["path"], endpoint["interval"])


def test_the_pod_monitor_finds_the_agents_at_the_port_of_their_metrics() -> None:
    """By labels and a port that every database pod has; the address leads to the port that needs no certificate."""
    spec = one("PodMonitor", *ALL)["spec"]
    pod = pod_template()
    assert spec["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    (endpoint,) = spec["podMetricsEndpoints"]
    ports = {port["name"] for container in pod["spec"]["containers"] for port in container["ports"]}
    assert endpoint["port"] in ports
    assert (True, "http", "/metrics") == (endpoint["honorLabels"], endpoint["scheme"], endpoint["path"])
    address, *labels = endpoint["relabelings"]
    for given in ("10.0.0.7", "[fd00::7]"):
        found = re.fullmatch(address["regex"], f"{given}:{names.AGENT_PORT}")
        assert found is not None
        assert f"{given}:{names.METRICS_PORT}" == address["replacement"].replace("$1", found[1])
    sources = {rule["targetLabel"]: rule["sourceLabels"] for rule in labels}
    wanted = {
        "covet_cluster": names.LABEL_CLUSTER,
        "shard": names.LABEL_SHARD,
        "instance": names.LABEL_INSTANCE,
    }
    assert {
        label: [f"__meta_kubernetes_pod_label_{re.sub('[^a-z]', '_', name)}"] for label, name in wanted.items()
    } == sources
    assert set(wanted.values()) <= set(pod["metadata"]["labels"])


def test_the_pod_monitor_looks_where_clusters_are_served() -> None:
    """Everywhere, or in the namespaces that are listed."""
    assert {"any": True} == one("PodMonitor", *ALL)["spec"]["namespaceSelector"]
    listed = one("PodMonitor", *ALL, "watchNamespaces={store,bank}")["spec"]["namespaceSelector"]
    assert {"matchNames": ["store", "bank"]} == listed


def test_the_rule_holds_the_alerts_as_they_are() -> None:
    """Helm leaves the braces of their sentences alone."""
    assert alerts.document() == one("PrometheusRule", *ALL)["spec"]


def test_labels_that_a_prometheus_selects_by_are_on_all_of_them() -> None:
    """Beside ours."""
    for kind in KINDS:
        labels = one(kind, *ALL, "metrics.labels.release=prometheus")["metadata"]["labels"]
        assert ("prometheus", "covet") == (labels["release"], labels["app.kubernetes.io/part-of"])


def test_only_named_namespaces_reach_the_metrics_of_the_databases() -> None:
    """The value arrives in the NetworkPolicy of each shard; without it nobody gets in."""
    given = settings.from_environ(environment(*POD_MONITOR)).scraper_namespaces
    assert ("monitoring",) == given
    closed, opened = (
        policies.network(samples.CLUSTER, "s0", "covet-system", (443, 6443), scrapers)["spec"]["ingress"]
        for scrapers in (settings.from_environ(environment()).scraper_namespaces, given)
    )
    at_the_port = [rule for rule in opened if names.METRICS_PORT in [port["port"] for port in rule["ports"]]]
    selector = {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}
    assert [[{"namespaceSelector": selector}]] == [rule["from"] for rule in at_the_port]
    assert closed == [rule for rule in opened if rule not in at_the_port]


def test_the_rules_file_stands_where_the_chart_reads_it() -> None:
    """A user without the Prometheus operator loads the same file."""
    path = pathlib.Path(__file__).resolve().parents[3] / alerts.FILE
    assert alerts.document() == yaml.safe_load(path.read_text(encoding="utf-8"))
