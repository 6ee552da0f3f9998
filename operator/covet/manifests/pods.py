"""The pod of an instance: agent and server in one container, under the `restricted` Pod Security Standard.

What the pod mounts changes without a restart: the kubelet refreshes ConfigMap and Secret
volumes, and nothing of their content is hashed into the template.
"""

import dataclasses
import hashlib
import json
from typing import Final

from covet.api.effective import EffectiveSpec
from covet.api.effectivepods import EffectiveResources
from covet.core import names
from covet.manifests import metadata
from covet.manifests.metadata import ClusterRef, Manifest

USER: Final = 10001
"""User and group of all images."""
CONTAINER: Final = "instance"
DATA: Final = "/var/lib/covet"
RUN: Final = "/run/covet"
SPEC: Final = "/etc/covet/spec"
TLS: Final = "/etc/covet/tls"
STOP_SECONDS: Final = 60
"""Time to stop the server in order before the kubelet kills it."""

_OF_THE_POD: Final = {"COVET_POD_ADDRESS": "status.podIP", "COVET_NODE": "spec.nodeName"}
"""What the kubelet tells the agent of its own pod: where `-rw` is to lead."""


@dataclasses.dataclass(frozen=True)
class Image:
    """The image of an instance and how the kubelet gets it.

    Args:
        reference: name with tag or digest.
        pull_policy: `IfNotPresent`, `Always` or `Never`.
        pull_secrets: names of Secrets in the cluster's namespace.
    """

    reference: str
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()


def template(cluster: ClusterRef, shard: str, instance: str, wanted: EffectiveSpec, image: Image) -> Manifest:
    """Return the pod template of an instance."""
    return {
        "metadata": {
            "labels": metadata.labels(cluster, shard, instance),
            "annotations": {names.ANNOTATION_ASKED: asked(wanted, shard)},
        },
        "spec": {
            "serviceAccountName": names.service_account(cluster.name, shard),
            # The primary publishes itself with it; `covet.manifests.accounts` says how little else it may.
            "automountServiceAccountToken": True,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": STOP_SECONDS,
            "imagePullSecrets": [{"name": secret} for secret in image.pull_secrets],
            "securityContext": security(),
            "nodeSelector": {**wanted.scheduling.node_selector, **_zone(wanted, shard)},
            "tolerations": [
                toleration.model_dump(mode="json", by_alias=True, exclude_none=True)
                for toleration in wanted.scheduling.tolerations
            ],
            "topologySpreadConstraints": [_spread(cluster, shard, wanted.scheduling.topology_key)],
            "containers": [_container(instance, wanted, image)],
            "volumes": [
                {"name": "run", "emptyDir": {}},
                {"name": "tmp", "emptyDir": {}},
                # The runtime's own /dev/shm has 64 MB, too little for parallel queries.
                {"name": "shm", "emptyDir": {"medium": "Memory"}},
                {"name": "spec", "configMap": {"name": names.shard_config(cluster.name, shard)}},
                # The server takes a key of root's that its group may read (0640 or less).
                {"name": "tls", "secret": {"secretName": names.instance_secret(instance), "defaultMode": 0o440}},
            ],
        },
    }


def asked(wanted: EffectiveSpec, shard: str) -> str:
    """Return a digest of what a user asks of the pods of a shard: an upgrade of Covet leaves it as it is.

    Another digest means a restart, so a field that comes later counts only where it is set.
    """
    wishes = [part.model_dump(mode="json", by_alias=True) for part in (wanted.resources, wanted.scheduling)]
    if zone := _zone(wanted, shard):
        wishes.append(zone)
    return hashlib.sha256(json.dumps(wishes, sort_keys=True).encode()).hexdigest()[:16]


def _zone(wanted: EffectiveSpec, shard: str) -> dict[str, str]:
    """Return the node label by which a shard is bound to its zone, nothing for a shard of any zone."""
    zone = wanted.shards.zone(shard)
    return {} if zone is None else {names.ZONE: zone}


def _spread(cluster: ClusterRef, shard: str, topology_key: str) -> Manifest:
    """Spread the instances of a shard over nodes; a node that is tainted (lost) does not count."""
    return {
        "maxSkew": 1,
        "topologyKey": topology_key,
        "whenUnsatisfiable": "DoNotSchedule",
        "nodeTaintsPolicy": "Honor",
        "labelSelector": {"matchLabels": metadata.selector(cluster, shard)},
    }


def _container(instance: str, wanted: EffectiveSpec, image: Image) -> Manifest:
    return {
        "name": CONTAINER,
        "image": image.reference,
        "imagePullPolicy": image.pull_policy,
        "env": [
            *({"name": name, "value": value} for name, value in _environment(instance, wanted).items()),
            *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in _OF_THE_POD.items()),
        ],
        "ports": [
            {"name": "sql", "containerPort": names.SQL_PORT, "protocol": "TCP"},
            {"name": "agent", "containerPort": names.AGENT_PORT, "protocol": "TCP"},
            {"name": "voter", "containerPort": names.VOTER_PORT, "protocol": "TCP"},
        ],
        "resources": resources(wanted.resources),
        "securityContext": confinement(),
        # The agent starts in seconds; the server's own start and a base backup do not count against it.
        "startupProbe": _probe("/startupz", period=1, failures=120, timeout=5),
        "livenessProbe": _probe("/livez", period=10, failures=6, timeout=5),
        "readinessProbe": _probe("/readyz", period=2, failures=2, timeout=3),
        "volumeMounts": [
            {"name": "data", "mountPath": DATA},
            {"name": "run", "mountPath": RUN},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a volume of the pod's own, shared with nobody
            {"name": "shm", "mountPath": "/dev/shm"},  # noqa: S108 - likewise
            {"name": "spec", "mountPath": SPEC, "readOnly": True},
            {"name": "tls", "mountPath": TLS, "readOnly": True},
        ],
    }


def _environment(instance: str, wanted: EffectiveSpec) -> dict[str, str]:
    return {
        "COVET_INSTANCE": instance,
        "COVET_SPEC": f"{SPEC}/spec.json",
        "COVET_TLS": TLS,
        "COVET_DATA": DATA,
        "COVET_RUN": RUN,
        "COVET_PG_BIN": f"/usr/lib/postgresql/{wanted.engine.version}/bin",
        "COVET_LOG": "json",
    }


def security() -> Manifest:
    """Return under whom, and how confined, the processes of a pod run."""
    return {
        "runAsNonRoot": True,
        "runAsUser": USER,
        "runAsGroup": USER,
        "fsGroup": USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def confinement() -> Manifest:
    """Return what a container may not do."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
    }


def resources(wanted: EffectiveResources) -> Manifest:
    """Return processor and memory as a container asks for them."""
    found: Manifest = {"requests": wanted.requests.model_dump(by_alias=True)}
    limits = wanted.limits.model_dump(by_alias=True, exclude_none=True)
    if limits:
        found["limits"] = limits
    return found


def _probe(path: str, period: int, failures: int, timeout: int) -> Manifest:
    """Return a probe of the agent; it answers these paths without a client certificate."""
    return {
        "httpGet": {"path": path, "port": "agent", "scheme": "HTTPS"},
        "periodSeconds": period,
        "failureThreshold": failures,
        "timeoutSeconds": timeout,
    }
