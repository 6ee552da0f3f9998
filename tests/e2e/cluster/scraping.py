"""Debian's Prometheus beside a devcluster: its targets are chosen as the chart's monitors say."""

import asyncio
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from covet.core import names
from tests.e2e import installation
from tests.e2e.cluster.shops import Shop
from tests.e2e.devcluster.cluster import Devcluster
from tests.e2e.process.prometheus import Job, Prometheus, free_port
from tools import bootstrap
from tools.telemetry import alerts, dashboards

CHART = bootstrap.ROOT / "charts" / "covet"
ADMITTED = "scrapes"
PORTS = 15900
LIMIT = 120.0
PORT = "__meta_port_name"
Found = tuple[str, str, Mapping[str, str]]
"""A port that Kubernetes knows: its address, its name, the labels of its pod or Service."""


def without_data(shop: Shop, devcluster: str, folder: Path, switch_over: Callable[[], None]) -> list[str]:
    """Return the queries of dashboards that bring nothing of a cluster, after a switchover and a patient wait.

    Args:
        shop: the cluster, ready.
        devcluster: it is on.
        folder: for Prometheus.
        switch_over: orders a switchover of any shard and waits for it.
    """
    admit(shop, devcluster)
    return asyncio.run(_without_data(shop, folder, switch_over))


async def _without_data(shop: Shop, folder: Path, switch_over: Callable[[], None]) -> list[str]:
    wanted = [query for board in dashboards.DASHBOARDS.values() for query in dashboards.expressions(board)]
    chosen = {"$namespace": shop.namespace, "$covet_cluster": shop.name, "$shard": ".*"}
    mine = f'namespace="{shop.namespace}",covet_cluster="{shop.name}"'
    pods = len(shop.names("pods"))
    async with Prometheus(folder, free_port(PORTS), jobs(shop), [bootstrap.ROOT / alerts.FILE]) as prometheus:
        await prometheus.await_value(f'sum(up{{covet_cluster="{shop.name}",shard=~"s.",instance=~".+"}})', pods, LIMIT)
        # An increase is seen of a series that was there before.
        await prometheus.await_value(f'count(covet_failovers_total{{{mine},reason="Switchover"}})', pods, LIMIT)
        await asyncio.to_thread(switch_over)
        return await prometheus.without_data(wanted, chosen, LIMIT)


def admit(shop: Shop, devcluster: str) -> None:
    """Let this machine read the agents' metrics, as the chart's `metrics.scrapers` does for a namespace."""
    source = {"ipBlock": {"cidr": f"{Devcluster.attach(devcluster).layout.address}/32"}}
    shop.covet.apply(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": ADMITTED, "namespace": shop.namespace},
            "spec": {
                "podSelector": {"matchLabels": {names.LABEL_CLUSTER: shop.name}},
                "policyTypes": ["Ingress"],
                "ingress": [{"from": [source], "ports": [{"protocol": "TCP", "port": names.METRICS_PORT}]}],
            },
        }
    )


def jobs(shop: Shop) -> list[Job]:
    """Return the scrape configs that the Prometheus operator would make of the chart's monitors.

    Debian's Prometheus cannot ask Kubernetes: it is told here what it would find.
    """
    values = ("--set", "metrics.podMonitor=true,metrics.serviceMonitor=true,metrics.scrapers={monitoring}")
    shown = ("--show-only", "templates/monitoring.yaml")
    text = shop.covet.helm("template", "covet", str(CHART), "-n", installation.NAMESPACE, *values, *shown)
    monitors = {document["kind"]: document["spec"] for document in yaml.safe_load_all(text) if document}
    operator = json.loads(shop.covet.kubectl("get", "endpoints", "-n", installation.NAMESPACE, "-o", "json"))["items"]
    return [
        _job("pod", monitors["PodMonitor"], "podMetricsEndpoints", list(_ports_of_pods(shop.items("pods")))),
        _job("service", monitors["ServiceMonitor"], "endpoints", list(_ports_of_services(operator))),
    ]


def _ports_of_pods(pods: list[dict[str, Any]]) -> Iterator[Found]:
    """Yield every port of every pod."""
    for pod in pods:
        for container in pod["spec"]["containers"]:
            for port in container.get("ports", ()):
                address = f"{pod['status']['podIP']}:{port['containerPort']}"
                yield address, str(port["name"]), pod["metadata"]["labels"]


def _ports_of_services(endpoints: list[dict[str, Any]]) -> Iterator[Found]:
    """Yield every port behind every Service; Endpoints carry the labels of theirs."""
    for item in endpoints:
        for subset in item.get("subsets", ()):
            for port in subset["ports"]:
                for address in subset.get("addresses", ()):
                    yield f"{address['ip']}:{port['port']}", str(port["name"]), item["metadata"]["labels"]


def _job(kind: str, monitor: dict[str, Any], key: str, found: list[Found]) -> Job:
    (endpoint,) = monitor[key]
    kept = {_meta(kind, label): value for label, value in monitor["selector"]["matchLabels"].items()}
    kept[PORT] = endpoint["port"]
    return {
        "job_name": kind,
        "honor_labels": endpoint["honorLabels"],
        "metrics_path": endpoint["path"],
        "static_configs": [
            {
                "targets": [address],
                "labels": {PORT: port, **{_meta(kind, label): value for label, value in labels.items()}},
            }
            for address, port, labels in found
        ],
        "relabel_configs": [
            *({"source_labels": [label], "regex": value, "action": "keep"} for label, value in kept.items()),
            *({_snake(word): value for word, value in rule.items()} for rule in endpoint.get("relabelings", ())),
        ],
    }


def _meta(kind: str, label: str) -> str:
    """Return a label as Prometheus names it while it chooses its targets."""
    return f"__meta_kubernetes_{kind}_label_{re.sub(r'[^a-zA-Z0-9_]', '_', label)}"


def _snake(word: str) -> str:
    """Return a word of the Prometheus operator as Prometheus writes it, e.g. `source_labels` for `sourceLabels`."""
    return re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", word)
