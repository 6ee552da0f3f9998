"""`make demo`: from a bare machine to rows in a sharded, replicated PostgreSQL, and a table of what happened.

Every step is one a user would take by hand: build and load images, `helm install`, `kubectl apply`,
`kubectl wait`, a Job that writes and reads. Nothing here knows more than they would.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import click
import rich.console
import rich.table

from tests.e2e import installation, target
from tools import bootstrap

PLACE = "demo"
"""The Kubernetes that is started and removed; `dev` is the developers' own."""

NAMESPACE = "covet-demo"
CLUSTER = "shop"
ROWS = 10_000
EXAMPLE = bootstrap.ROOT / "examples" / "quickstart.yaml"
CLIENT = bootstrap.ROOT / "examples" / "app" / "client.py"

PLAIN_WIDTH = 110
"""Columns where the output is no terminal, so that a log holds whole sentences."""

console = rich.console.Console(width=None if sys.stdout.isatty() else PLAIN_WIDTH)


class Steps:
    """The steps so far, each with its seconds."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Say that a step begins; measure it; say how long it took."""
        console.print(f"[bold]{name}[/] ...", highlight=False)
        begun = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - begun
        console.print(f"[green]{name}[/]: {self.seconds[name]:.1f} s", highlight=False)


def job_manifest(namespace: str, image: str) -> dict[str, Any]:
    """Return the Job that runs the client next to the cluster, under the restricted pod standard."""
    mounts = {"client": "/client", "map": "/etc/covet/map", "trust": "/etc/covet/trust", "user": "/etc/covet/user"}
    environment = {"COVET_CLUSTER": CLUSTER, "COVET_NAMESPACE": namespace, "COVET_ROWS": str(ROWS)}
    container = {
        "name": "client",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["python3", "/client/client.py"],
        "env": [{"name": name, "value": value} for name, value in environment.items()],
        "volumeMounts": [{"name": name, "mountPath": path, "readOnly": True} for name, path in mounts.items()],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [container],
        "volumes": [
            {"name": "client", "configMap": {"name": "client"}},
            {"name": "map", "configMap": {"name": f"{CLUSTER}-map"}},
            {"name": "trust", "configMap": {"name": f"{CLUSTER}-trust"}},
            {"name": "user", "secret": {"secretName": f"{CLUSTER}-app"}},
        ],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "client", "namespace": namespace},
        "spec": {"backoffLimit": 0, "template": {"spec": pod}},
    }


def apply_cluster(kubernetes: installation.Installation, namespace: str) -> None:
    """Apply the ten lines and wait until the object says Ready, telling what it says until then."""
    kubernetes.kubectl("apply", "-n", namespace, "-f", str(EXAMPLE))
    said = ""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        document = kubernetes.get("covetcluster", CLUSTER, namespace)
        ready: dict[str, Any] = next(
            (c for c in document.get("status", {}).get("conditions", []) if c["type"] == "Ready"), {}
        )
        if ready.get("message", "") != said:
            said = ready["message"]
            console.print(f"  {said}", highlight=False)
        if ready.get("status") == "True" and ready["observedGeneration"] == document["metadata"]["generation"]:
            return
        time.sleep(0.25)
    raise click.ClickException(f"the cluster is not Ready after 5 minutes; its status says: {said or 'nothing'}")


def run_client(kubernetes: installation.Installation, namespace: str) -> list[dict[str, Any]]:
    """Run the client as a Job and return the events it printed."""
    with contextlib.suppress(subprocess.CalledProcessError):
        kubernetes.kubectl("delete", "job", "client", "-n", namespace, "--ignore-not-found", "--wait")
    source = CLIENT.read_text()
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "client", "namespace": namespace},
        "data": {"client.py": source},
    }
    kubernetes.apply(config)
    kubernetes.apply(job_manifest(namespace, kubernetes.place.image(installation.DEV_OPERATOR)))
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        status = kubernetes.get("job", "client", namespace).get("status", {})
        if status.get("succeeded") or status.get("failed"):
            break
        time.sleep(0.25)
    log = kubernetes.kubectl("logs", "job/client", "-n", namespace)
    events = [json.loads(line) for line in log.splitlines() if line.startswith("{")]
    if not status.get("succeeded"):
        raise click.ClickException(f"the client failed; its last lines:\n{log[-2000:]}")
    return events


def shards_table(document: Mapping[str, Any], events: list[dict[str, Any]]) -> rich.table.Table:
    """Return the table of shards: what the status says of each, and the rows that the client read there."""
    table = rich.table.Table(title=f"CovetCluster {CLUSTER}", title_justify="left")
    for column in ("shard", "slots", "primary", "replicas"):
        table.add_column(column)
    for column in ("rows", "bytes"):
        table.add_column(column, justify="right")
    table.add_column("TLS")
    reads = {(event["shard"], event["service"]): event for event in events if event["event"] == "read"}
    total = 0
    for shard in document["status"]["shards"]:
        read = reads[shard["name"], "rw"]
        replicas = ", ".join(i["name"] for i in shard["instances"] if i["role"] == "Replica")
        total += read["rows"]
        row = (str(shard["slots"]), shard["primary"], replicas, f"{read['rows']:,}", f"{read['bytes']:,}", read["tls"])
        table.add_row(shard["name"], *row)
    table.caption = f"{total:,} rows written by key, read back from primaries and replicas"
    return table


def all_steps(steps: Steps, events: list[dict[str, Any]]) -> dict[str, float]:
    """Return the seconds that each step took, those of the client within the last one too."""
    within = {f"client: {event['name']}": event["seconds"] for event in events if event["event"] == "step"}
    return {**steps.seconds, **within}


def steps_table(steps: Steps, events: list[dict[str, Any]]) -> rich.table.Table:
    """Return the table of the seconds that each step took."""
    table = rich.table.Table(title="Seconds", title_justify="left")
    table.add_column("step")
    table.add_column("seconds", justify="right")
    for name, seconds in all_steps(steps, events).items():
        table.add_row(name if name in steps.seconds else f"  {name}", f"{seconds:.1f}")
    table.add_row("all", f"{sum(steps.seconds.values()):.1f}")
    return table


@click.group(help=__doc__)
def main() -> None:
    """Group of the two commands."""


@main.command()
@click.option("--figures", type=click.Path(dir_okay=False, path_type=pathlib.Path), help="Write the seconds there.")
def up(figures: pathlib.Path | None) -> None:
    """Start everything and print the tables."""
    steps = Steps()
    place = chosen_target()
    console.print(f"Kubernetes: {place.kind.value}, context covet-{place.name}", highlight=False)
    place.check_images()
    with steps.step("build images"):
        built = {} if place.pulls() else installation.build_images()
    with steps.step("start Kubernetes"):
        place.start()
    with steps.step("load images"):
        place.load(built)
    kubernetes = installation.Installation(place)
    with steps.step("install the operator with Helm"):
        kubernetes.install()
        kubernetes.ensure_namespace(NAMESPACE)
    with steps.step(f"apply {EXAMPLE.name} until Ready"):
        apply_cluster(kubernetes, NAMESPACE)
    with steps.step(f"write and read {ROWS:,} rows"):
        events = run_client(kubernetes, NAMESPACE)
    console.print()
    console.print(shards_table(kubernetes.get("covetcluster", CLUSTER, NAMESPACE), events))
    console.print(steps_table(steps, events))
    console.print(f"Look around: export KUBECONFIG={place.kubeconfig}", highlight=False, soft_wrap=True)
    console.print(
        f"             {kubernetes.kubectl_path} get covetclusters -n {NAMESPACE}", highlight=False, soft_wrap=True
    )
    console.print("Remove all of it: make demo-down", highlight=False)
    if figures is not None:
        figures.write_text(json.dumps({"kubernetes": place.kind.value, "steps": all_steps(steps, events)}))


@main.command()
def down() -> None:
    """Remove every trace."""
    place = chosen_target()
    if place.kind is target.Kind.GIVEN:
        installation.Installation(place).uninstall(NAMESPACE)
    place.stop()
    console.print("The demo is gone.", highlight=False)


def chosen_target() -> target.Target:
    """Return the cluster to work on, or end with the reason why there is none.

    The demo's own kubeconfig, which its last lines say to export, is as good as none: that cluster is ours to remove.
    """
    try:
        place = target.choose(PLACE)
        if place.kind is not target.Kind.GIVEN or place.pulls():
            return place
        own = target.choose(PLACE, {**os.environ, "KUBECONFIG": ""})
    except target.TargetError as error:
        raise click.ClickException(str(error)) from error
    return own if own.kubeconfig.resolve() == place.kubeconfig.resolve() else place


if __name__ == "__main__":
    try:
        main()
    except (target.TargetError, installation.InstallationError) as error:
        sys.exit(f"demo: {error}")
