"""Does somebody scrape the agents, and are they let in? By what Kubernetes knows; Prometheus itself is not asked."""

from collections.abc import Iterator
from typing import Any, Final

from covet.cli.doctoring import finding
from covet.cli.doctoring.facts import Facts
from covet.cli.doctoring.finding import Finding
from covet.cli.raw import Manifest
from covet.core import names

AREA: Final = "Metrics"
_SCRAPE: Final = "prometheus.io/scrape"
_SHOWN: Final = 3
"""Pods that are named before the rest is counted."""


def check(facts: Facts) -> Iterator[Finding]:
    """Yield what there is to say about who is scraped."""
    yield from finding.seen_or_not(AREA, facts.monitors, facts.operator_monitors)
    there = finding.objects(facts.pods)
    monitors = (*finding.objects(facts.monitors), *finding.objects(facts.operator_monitors))
    # The chart puts its monitor beside the operator: without knowing where that is, nobody can say.
    unseen = facts.operator_namespace is None or any(
        isinstance(looked, Exception) for looked in (facts.monitors, facts.operator_monitors)
    )
    alone = [pod for pod in there if not _is_annotated(pod) and not any(_selects(one, pod) for one in monitors)]
    if alone and not unseen:
        yield finding.doubtful(
            AREA,
            f"No PodMonitor selects {_counted(alone)}.",
            "Nobody scrapes them by what Kubernetes knows, so no alert speaks for them.",
            "Set metrics.podMonitor and metrics.scrapers in the values of the chart covet. If Prometheus is told of"
            " them in another way, nothing is to be done.",
        )
    scraped = [pod for pod in there if pod not in alone]
    closed = [*_closed(facts, scraped)]
    yield from closed
    ports = [one for monitor in monitors for one in _ports(monitor, [pod for pod in there if _selects(monitor, pod)])]
    yield from ports
    if scraped and not (alone or closed or ports):
        judged = "" if isinstance(facts.policies, Exception) else ", and lets that in"
        yield finding.good(AREA, f"Each of the {len(there)} pods is to be scraped{judged}.")


def _closed(facts: Facts, scraped: list[Manifest]) -> Iterator[Finding]:
    """Yield that NetworkPolicies keep out whoever scrapes; a pod that no policy selects lets everybody in."""
    if isinstance(facts.policies, Exception):
        return
    shut: dict[str, str] = {}
    for pod in scraped:
        rules: list[Any] = []
        closing: list[str] = []
        for policy in facts.policies:
            spec = policy.get("spec") or {}
            if "Ingress" in (spec.get("policyTypes") or ["Ingress"]) and finding.selects(spec.get("podSelector"), pod):
                closing.append(finding.name_of(policy))
                rules += spec.get("ingress") or []
        if closing and not any(finding.leads_to(rule, names.METRICS_PORT) for rule in rules):
            shut.setdefault(", ".join(closing), finding.name_of(pod))
    for policies, kept in shut.items():
        yield finding.bad(
            AREA,
            f"NetworkPolicy {policies} lets nobody read the metrics of {kept} (TCP port {names.METRICS_PORT}).",
            "Prometheus shows the target as down, and no alert speaks for it.",
            "Name the namespace that Prometheus runs in under metrics.scrapers in the values of the chart covet.",
        )


def _selects(monitor: Manifest, pod: Manifest) -> bool:
    """Return whether a PodMonitor selects a pod; one that names no namespaces means its own."""
    spec = monitor.get("spec") or {}
    chosen = spec.get("namespaceSelector") or {}
    places = chosen.get("matchNames") or [monitor["metadata"]["namespace"]]
    here = chosen.get("any") or pod["metadata"]["namespace"] in places
    return bool(here) and finding.selects(spec.get("selector") or {}, pod)


def _ports(monitor: Manifest, selected: list[Manifest]) -> Iterator[Finding]:
    """Yield that a PodMonitor names no port that the pods have."""
    asked = {str(one["port"]) for one in (monitor.get("spec") or {}).get("podMetricsEndpoints") or [] if "port" in one}
    for pod in selected[:1]:
        ports = {
            str(port.get("name")) for container in pod["spec"]["containers"] for port in container.get("ports") or []
        }
        if asked and not asked & ports:
            yield finding.bad(
                AREA,
                f"PodMonitor {finding.name_of(monitor)} scrapes port {', '.join(sorted(asked))},"
                " which the pods do not have.",
                "Prometheus shows no target, and no error either.",
                f"Let it name one of {', '.join(sorted(ports))}.",
            )


def _is_annotated(pod: Manifest) -> bool:
    return (pod["metadata"].get("annotations") or {}).get(_SCRAPE) == "true"


def _counted(pods: list[Manifest]) -> str:
    shown = ", ".join(finding.name_of(pod) for pod in pods[:_SHOWN])
    return shown if len(pods) <= _SHOWN else f"{shown} and {len(pods) - _SHOWN} more"
