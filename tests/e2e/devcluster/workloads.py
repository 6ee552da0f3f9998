"""Pods of our own tiny image, to try the cluster with: they serve, dial, write and crash.

No distribution image is needed for that, so these work on a cluster that was
brought up a second ago.
"""

import dataclasses
import functools
import secrets
import subprocess
import time
from typing import Any

from tests.e2e.devcluster import clients
from tests.e2e.devcluster.api import Api, wait_until
from tests.e2e.devcluster.cluster import Devcluster
from tests.e2e.devcluster.nodeconfig import PROBE_IMAGE

PORT = 8080
_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 65534,
    "fsGroup": 65534,
    "seccompProfile": {"type": "RuntimeDefault"},
}
_CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a program ended: exit code, what it printed, and the seconds it took."""

    code: int
    output: str
    seconds: float


@dataclasses.dataclass(frozen=True)
class Playground:
    """A namespace under the restricted standard, gone at the end of the test."""

    cluster: Devcluster
    namespace: str

    @classmethod
    def create(cls, cluster: Devcluster) -> "Playground":
        """Make a namespace with a name of its own."""
        namespace = f"play-{secrets.token_hex(4)}"
        labels = {"pod-security.kubernetes.io/enforce": "restricted"}
        cluster.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})
        account = f"/api/v1/namespaces/{namespace}/serviceaccounts/default"
        wait_until(f"service account of {namespace}", lambda: bool(cluster.api.get(account)), seconds=30)
        return cls(cluster, namespace)

    @property
    def api(self) -> Api:
        """The API server, as an administrator."""
        return self.cluster.api

    def delete(self) -> None:
        """Delete the namespace; does not wait for it."""
        self.api.delete(f"/api/v1/namespaces/{self.namespace}")

    def apply(self, manifest: dict[str, Any]) -> Any:
        """Apply one object into the namespace."""
        metadata = {**manifest["metadata"], "namespace": self.namespace}
        return self.api.apply({**manifest, "metadata": metadata})

    def start_server(self, name: str, *, node: str | None = None, claim: str | None = None) -> None:
        """Start a pod that answers HTTP on ``PORT`` with its own name; ``claim`` is mounted at /data."""
        self.start_pod(name, ["serve", f":{PORT}"], node=node, claim=claim, probed=True)

    def start_pod(
        self,
        name: str,
        args: list[str],
        *,
        image: str = PROBE_IMAGE,
        node: str | None = None,
        claim: str | None = None,
        probed: bool = False,
    ) -> None:
        """Start a pod with these arguments, of the probe image if no other is given."""
        container: dict[str, Any] = {
            "name": "probe",
            "image": image,
            "args": args,
            "securityContext": _CONTAINER_SECURITY,
        }
        if probed:
            container["ports"] = [{"name": "http", "containerPort": PORT}]
            container["readinessProbe"] = {"httpGet": {"port": "http"}, "periodSeconds": 1, "timeoutSeconds": 5}
        spec: dict[str, Any] = {
            "securityContext": _SECURITY,
            "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": False,
            "containers": [container],
        }
        if node:
            spec["nodeSelector"] = {"kubernetes.io/hostname": node}
        if claim:
            spec["volumes"] = [{"name": "data", "persistentVolumeClaim": {"claimName": claim}}]
            container["volumeMounts"] = [{"name": "data", "mountPath": "/data"}]
        self.apply(
            {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": name}}, "spec": spec}
        )

    def pod(self, name: str) -> dict[str, Any]:
        """The pod as the API server has it."""
        found: dict[str, Any] = self.api.get(f"/api/v1/namespaces/{self.namespace}/pods/{name}")
        return found

    def wait_ready(self, *names: str, seconds: float = 60) -> None:
        """Wait until every pod is Ready."""
        for name in names:
            wait_until(f"pod {name} Ready", functools.partial(self.is_ready, name), seconds=seconds)

    def is_ready(self, name: str) -> bool:
        """Whether the pod's Ready condition is true."""
        conditions = self.pod(name)["status"].get("conditions", [])
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    def restarts(self, name: str) -> int:
        """How often the pod's container was started again."""
        statuses = self.pod(name)["status"].get("containerStatuses", [])
        return sum(status["restartCount"] for status in statuses)

    def address(self, name: str) -> str:
        """The pod's address."""
        return str(self.pod(name)["status"]["podIP"])

    def start_service(self, name: str, selector: dict[str, str]) -> None:
        """Make a Service that leads port 80 to ``PORT`` of the pods with these labels."""
        ports = [{"port": 80, "targetPort": PORT}]
        spec = {"selector": selector, "ports": ports}
        self.apply({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec})

    def claim(self, name: str, size: str) -> None:
        """Ask for a volume of the default storage class, or for another size of it."""
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
        self.apply({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name}, "spec": spec})

    def run(self, pod: str, *args: str) -> Outcome:
        """Run the probe program inside a pod with kubectl."""
        kubectl = [str(clients.unpack().kubectl), f"--kubeconfig={self.cluster.kubeconfig_path}"]
        command = [*kubectl, f"--namespace={self.namespace}", "exec", pod, "--", "/probe", *args]
        began = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        return Outcome(done.returncode, done.stdout + done.stderr, time.monotonic() - began)

    def dial(self, pod: str, target: str) -> str | None:
        """Who answers at ``target`` (host:port) when asked from ``pod``; None if nobody does in two seconds."""
        outcome = self.run(pod, "dial", target)
        return outcome.output if outcome.code == 0 else None
