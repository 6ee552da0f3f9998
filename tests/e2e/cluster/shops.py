"""A CovetCluster in a test: declared, waited for, looked at."""

import dataclasses
import datetime as dt
import json
import subprocess
import time
from collections.abc import Callable
from typing import Any

from tests.e2e import installation
from tests.e2e.installation import Installation, InstallationError

READY_SECONDS = 240
"""Time for a birth on a busy machine; what it takes on an idle one is measured elsewhere."""


@dataclasses.dataclass(frozen=True)
class Shop:
    """One cluster by its name.

    Args:
        covet: the installation it runs on.
        namespace: where it is.
    """

    covet: Installation
    namespace: str
    name: str = "shop"

    def kubectl(self, *arguments: str, timeout: float = 120) -> str:
        """Run kubectl in the namespace."""
        return self.covet.kubectl("-n", self.namespace, *arguments, timeout=timeout)

    def declare(self, **spec: Any) -> None:
        """Create or edit the cluster: two shards of three, small volumes, unless said otherwise."""
        wanted = {
            "engine": {"name": "PostgreSQL", "version": "15"},
            "shards": {"count": 2},
            "storage": {"size": "512Mi"},
            **spec,
        }
        self.covet.apply(
            {
                "apiVersion": "covet.dev/v1alpha1",
                "kind": "CovetCluster",
                "metadata": {"name": self.name, "namespace": self.namespace},
                "spec": wanted,
            }
        )

    def get(self, kind: str, name: str) -> dict[str, Any]:
        """Return an object, empty if it is not there."""
        try:
            return self.covet.get(kind, name, self.namespace)
        except InstallationError as error:
            if "NotFound" in str(error):
                return {}
            raise

    def items(self, kind: str) -> list[dict[str, Any]]:
        """Return all objects of a kind in the namespace."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "-o", "json"))["items"]
        return found

    def names(self, kind: str) -> set[str]:
        """Return the names of all objects of a kind."""
        return {item["metadata"]["name"] for item in self.items(kind)}

    def status(self) -> dict[str, Any]:
        """Return the status of the cluster."""
        status: dict[str, Any] = self.get("covetcluster", self.name).get("status") or {}
        return status

    def condition(self, kind: str) -> dict[str, Any]:
        """Return a condition, empty if it does not stand."""
        return next((entry for entry in self.status().get("conditions", []) if entry["type"] == kind), {})

    def is_ready(self) -> bool:
        """Return whether Ready is True for the newest generation."""
        found = self.get("covetcluster", self.name)
        ready: dict[str, Any] = next(
            (entry for entry in found.get("status", {}).get("conditions", []) if entry["type"] == "Ready"), {}
        )
        return ready.get("status") == "True" and ready["observedGeneration"] == found["metadata"]["generation"]

    def await_ready(self, seconds: float = READY_SECONDS) -> float:
        """Wait until the cluster is ready; return how many seconds that took."""
        return until(self.is_ready, seconds, lambda: json.dumps(self.status().get("conditions"), indent=1))

    def await_reason(self, condition: str, reason: str, seconds: float = 90) -> str:
        """Wait until a condition carries a reason; return its sentence."""
        found: dict[str, Any] = {}

        def carries() -> bool:
            found.update(self.condition(condition))
            return found.get("reason") == reason

        until(carries, seconds, lambda: json.dumps(self.status().get("conditions"), indent=1))
        return str(found["message"])

    def warnings(self) -> list[str]:
        """Return the reasons of the operator's Warning Events about the cluster."""
        return [
            event["reason"]
            for event in self.items("events")
            if event["type"] == "Warning" and event["involvedObject"]["kind"] == "CovetCluster"
        ]

    def await_warning(self, reason: str) -> None:
        """Wait until a Warning Event was sent."""
        until(lambda: reason in self.warnings(), 30, lambda: str(self.warnings()))

    def record(self) -> dict[str, Any]:
        """Return the birth record."""
        found = self.get("configmap", f"{self.name}-identity")
        document: dict[str, Any] = json.loads(found["data"]["identity.json"]) if found else {}
        return document

    def system_ids(self) -> dict[str, str]:
        """Return the recorded system id of each shard."""
        return {shard["name"]: shard.get("systemId", "") for shard in self.record()["shards"]}

    def restarts(self) -> int:
        """Return how often containers of the cluster's pods were started again."""
        pods = self.items("pods")
        return sum(entry["restartCount"] for pod in pods for entry in pod["status"].get("containerStatuses", []))


def until(holds: Callable[[], bool], seconds: float, explain: Callable[[], str] = str) -> float:
    """Wait until something holds; return how many seconds that took."""
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > seconds:
            raise AssertionError(f"not within {seconds} s: {explain()}")
        time.sleep(0.5)
    return time.monotonic() - began


def operator_pods(covet: Installation) -> list[dict[str, Any]]:
    """Return the operator's pods."""
    selector = "app.kubernetes.io/component=operator"
    text = covet.kubectl("-n", installation.NAMESPACE, "get", "pods", "-l", selector, "-o", "json")
    found: list[dict[str, Any]] = json.loads(text)["items"]
    return found


def operator_restarts(covet: Installation) -> int:
    """Return how often the operator's containers were started again."""
    statuses = [entry for pod in operator_pods(covet) for entry in pod["status"].get("containerStatuses", [])]
    return sum(entry["restartCount"] for entry in statuses)


def operator_log(covet: Installation, since: dt.datetime) -> str:
    """Return what the operator's pods have logged since a moment; one that is just going is asked again."""
    selected = ("-l", "app.kubernetes.io/component=operator", "--tail=-1")
    moment = f"--since-time={since.isoformat(timespec='seconds')}"
    read: list[str] = []

    def answered() -> bool:
        try:
            read.append(covet.kubectl("-n", installation.NAMESPACE, "logs", *selected, moment))
        except InstallationError:
            return False
        return True

    until(answered, 60)
    return read[0]


def kill_operator(covet: Installation) -> None:
    """Kill the operator's pods without a word of warning."""
    for pod in operator_pods(covet):
        name = pod["metadata"]["name"]
        try:
            covet.kubectl("-n", installation.NAMESPACE, "delete", "pod", name, "--grace-period=0", "--force")
        except (InstallationError, subprocess.TimeoutExpired):
            continue


def scale_operator(covet: Installation, replicas: int) -> None:
    """Stop the operator, or start it again, and wait for it."""
    deployment = ("-n", installation.NAMESPACE, "deployment/covet")
    covet.kubectl("scale", *deployment, f"--replicas={replicas}")
    until(lambda: len(operator_pods(covet)) == replicas, 60)
    covet.kubectl("rollout", "status", *deployment, "--timeout=120s")
