"""The routers of a cluster: a Deployment that anybody may connect to, and what belongs to it.

What the pods mount changes without a restart. A change of the template, or of what a router reads at its start only,
makes them anew one by one: the next one takes clients before the one before it is told to end.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from covet.api.effective import EffectiveSpec
from covet.core import names
from covet.manifests import metadata, pods, policies, routerconfig
from covet.manifests.metadata import ClusterRef, Manifest
from covet.manifests.pods import Image

CONTAINER: Final = "router"
LEAVE_SECONDS: Final = 5
"""Time for every node to learn that a router takes no new clients, before it is told to end."""
STOP_SECONDS: Final = LEAVE_SECONDS + routerconfig.DRAIN_SECONDS + 5


def deployment(
    cluster: ClusterRef, wanted: EffectiveSpec, image: Image, replicas: int, config: Mapping[str, Any]
) -> Manifest:
    """Return the Deployment of so many; `config` is the document that the routers read."""
    template = _template(cluster, wanted, image)
    digest = _digest({"template": template, "start": routerconfig.restarting(config)})
    template["metadata"]["annotations"] = {names.ANNOTATION_TEMPLATE: digest}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata.of_routers(cluster, names.router(cluster.name)),
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 2,
            "selector": {"matchLabels": metadata.router_selector(cluster)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}},
            "template": template,
        },
    }


def template_of(found: Manifest) -> str:
    """Return what tells the template of a Deployment, or of a router's pod, from others; empty if it does not say."""
    meta = found.get("spec", {}).get("template", {}).get("metadata") or found["metadata"]
    return str((meta.get("annotations") or {}).get(names.ANNOTATION_TEMPLATE, ""))


def service(cluster: ClusterRef) -> Manifest:
    """Return the Service that clients connect to: primaries at one port, replicas at the other."""
    ports = (("sql", names.SQL_PORT), ("sql-replica", names.ROUTER_REPLICA_PORT))
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata.of_routers(cluster, names.router(cluster.name)),
        "spec": {
            "type": "ClusterIP",
            "selector": metadata.router_selector(cluster),
            "ports": [{"name": name, "port": port, "targetPort": port, "protocol": "TCP"} for name, port in ports],
        },
    }


def service_account(cluster: ClusterRef) -> Manifest:
    """Return the ServiceAccount of the routers, which have nothing to say to the API server."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata.of_routers(cluster, names.router(cluster.name)),
        "automountServiceAccountToken": False,
    }


def disruption_budget(cluster: ClusterRef) -> Manifest:
    """Return the PodDisruptionBudget of the routers: drains take one at a time."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata.of_routers(cluster, names.router(cluster.name)),
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": metadata.router_selector(cluster)}},
    }


def network(cluster: ClusterRef, scraper_namespaces: Iterable[str] = ()) -> Manifest:
    """Return the NetworkPolicy of the routers.

    Anybody reaches the ports for SQL (TLS and a password guard them), named namespaces the metrics. Out go questions
    to DNS, and what the cluster's servers and agents are asked.

    Args:
        cluster: whose routers they are.
        scraper_namespaces: whose pods may read the metrics.
    """
    databases = {
        "podSelector": {
            "matchLabels": {
                names.LABEL_CLUSTER: cluster.name,
                names.LABEL_COMPONENT: names.COMPONENT_INSTANCE,
            }
        }
    }
    scrapers = policies.namespaces(scraper_namespaces)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": metadata.of_routers(cluster, names.router(cluster.name)),
        "spec": {
            "podSelector": {"matchLabels": metadata.router_selector(cluster)},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"ports": policies.ports(names.SQL_PORT, names.ROUTER_REPLICA_PORT)},
                *({"from": [scraper], "ports": policies.ports(names.ROUTER_ADMIN_PORT)} for scraper in scrapers),
            ],
            "egress": [
                {"to": [databases], "ports": policies.ports(names.SQL_PORT, names.AGENT_PORT)},
                policies.to_dns(),
            ],
        },
    }


def _template(cluster: ClusterRef, wanted: EffectiveSpec, image: Image) -> Manifest:
    scheduling, name = wanted.router.scheduling, names.router(cluster.name)
    config = names.router_config(cluster.name)
    return {
        "metadata": {"labels": metadata.labels(cluster, component=names.COMPONENT_ROUTER)},
        "spec": {
            "serviceAccountName": name,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": STOP_SECONDS,
            "imagePullSecrets": [{"name": secret} for secret in image.pull_secrets],
            "securityContext": pods.security(),
            "nodeSelector": dict(scheduling.node_selector),
            "tolerations": [
                toleration.model_dump(mode="json", by_alias=True, exclude_none=True)
                for toleration in scheduling.tolerations
            ],
            "topologySpreadConstraints": [
                {
                    "maxSkew": 1,
                    "topologyKey": scheduling.topology_key,
                    # One node with two routers is better than one router.
                    "whenUnsatisfiable": "ScheduleAnyway",
                    "labelSelector": {"matchLabels": metadata.router_selector(cluster)},
                }
            ],
            "containers": [_container(wanted, image)],
            "volumes": [
                {"name": "config", "configMap": {"name": config}},
                {"name": "users", "secret": {"secretName": config, "defaultMode": 0o440}},
                {"name": "tls", "secret": {"secretName": names.router_secret(cluster.name), "defaultMode": 0o440}},
            ],
        },
    }


def _container(wanted: EffectiveSpec, image: Image) -> Manifest:
    mounts = {
        "config": routerconfig.FOLDER,
        "users": routerconfig.USERS,
        "tls": routerconfig.TLS,
    }
    ports = (
        ("sql", names.SQL_PORT),
        ("sql-replica", names.ROUTER_REPLICA_PORT),
        ("router-metrics", names.ROUTER_ADMIN_PORT),
    )
    return {
        "name": CONTAINER,
        "image": image.reference,
        "imagePullPolicy": image.pull_policy,
        "args": ["--config", f"{routerconfig.FOLDER}/{routerconfig.KEY}"],
        "ports": [{"name": name, "containerPort": port, "protocol": "TCP"} for name, port in ports],
        "resources": pods.resources(wanted.router.resources),
        "securityContext": pods.confinement(),
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(LEAVE_SECONDS)]}}},
        "startupProbe": _probe("/healthz", period=1, failures=60),
        "livenessProbe": _probe("/healthz", period=10, failures=6),
        "readinessProbe": _probe("/readyz", period=2, failures=2),
        "volumeMounts": [{"name": name, "mountPath": path, "readOnly": True} for name, path in mounts.items()],
    }


def _probe(path: str, period: int, failures: int) -> Manifest:
    return {
        "httpGet": {"path": path, "port": "router-metrics", "scheme": "HTTP"},
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": 5,
    }


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
