"""`report` packs what helps from afar, and none of the secrets that are all around it."""

import json
import pathlib
import stat
import zipfile
from typing import Any

import pytest

from covet.core import names
from covet.kube import resources
from covet.manifests import secrets
from covet.manifests.metadata import labels
from tests.unit.cli import surroundings
from tests.unit.cli.surroundings import REF, SYSTEM, Caller, Surroundings, line

PASSWORD = "correct-horse-battery"  # noqa: S105 -- planted, to be searched for
LIKENESS = "hunter2hunter2"


@pytest.fixture
def planted(around: Surroundings) -> Surroundings:
    """Secrets in every place where one may stand by mistake."""
    key = secrets.values_of(stored(around, "shop-s0-a-tls"))["tls.key"]
    around.put(user_secret())
    uri = secrets.uri("shop-s0-rw.default.svc", "app", "app", PASSWORD)
    around.logs = {
        "shop-s0-a-0": [
            line("08:00:01.000", "shop-s0-a", f"connecting to {uri}"),
            line("08:00:02.000", "shop-s0-a", f"ALTER ROLE app PASSWORD '{PASSWORD}'", source="postgres"),
            line("08:00:03.000", "shop-s0-a", "loaded", pem=key),
            f"2026-11-23T08:00:04.000000000Z PGPASSWORD={PASSWORD} psql",
        ],
        "covet-7d9-x": [line("08:00:01.000", "", "Secret read.", data=stored(around, "shop-s0-a-tls")["data"])],
    }
    surroundings.change(around, "Pod", "shop-s0-a-0", plant_in_pod)
    surroundings.change(around, "CovetCluster", "shop", plant_in_cluster)
    around.put(event(f"Login with password={PASSWORD} failed."))
    around.put(stateful_set())
    return around


def stored(around: Surroundings, name: str) -> dict[str, Any]:
    """Return a Secret."""
    found = around.get(resources.SECRET, "default", name)
    assert found is not None
    return found


def user_secret() -> dict[str, Any]:
    """Return the Secret of the application's user."""
    data = secrets.coded({"username": "app", "password": PASSWORD})
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "shop-app", "namespace": "default", "labels": labels(REF)},
        "data": data,
    }


def plant_in_pod(body: dict[str, Any]) -> None:
    """Put a password into a pod's environment, and let it have been restarted."""
    body["spec"]["containers"][0]["env"].append({"name": "DB_PASSWORD", "value": LIKENESS})
    body["spec"]["containers"][0]["args"] = [f"--api-token={LIKENESS}"]
    body["status"]["containerStatuses"][0]["restartCount"] = 1


def plant_in_cluster(body: dict[str, Any]) -> None:
    """Put connection strings into annotations of the object."""
    applied = json.dumps({"password": LIKENESS})
    body["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/last-applied-configuration": applied,
        "note": f"postgres://app:{PASSWORD}@shop/app",
        "api-token": LIKENESS,
    }


def event(message: str) -> dict[str, Any]:
    """Return an Event about an instance's pod."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": "shop-s0-a-0.1", "namespace": "default"},
        "involvedObject": {"kind": "Pod", "name": "shop-s0-a-0"},
        "type": "Warning",
        "reason": "Unhealthy",
        "message": message,
        "lastTimestamp": "2026-11-23T07:59:00Z",
    }


def stateful_set() -> dict[str, Any]:
    """Return the StatefulSet of an instance, with managed fields that nobody wants."""
    metadata = {
        "name": "shop-s0-a",
        "namespace": "default",
        "labels": labels(REF, "s0", "shop-s0-a"),
        "managedFields": [{"manager": "covet", "fieldsV1": {}}],
    }
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": {"replicas": 1}}


def unpacked(path: pathlib.Path) -> dict[str, str]:
    """Return the files of a zip without their common folder."""
    with zipfile.ZipFile(path) as archive:
        return {name.partition("/")[2]: archive.read(name).decode() for name in archive.namelist()}


async def test_no_planted_secret_is_in_the_zip(caller: Caller, planted: Surroundings, tmp_path: pathlib.Path) -> None:
    """Neither a password, nor a key, nor either in base64, whole or by a line of it; and no Secret was asked for."""
    planted.denied |= {("list", "secrets"), ("get", "secrets")}
    path = tmp_path / "shop.zip"
    done = await caller.call("report", "shop", "--to", str(path))
    assert 0 == done.code
    wanted = {PASSWORD, LIKENESS, *secrets.coded({"password": PASSWORD}).values()}
    for (resource, _, _), item in planted.objects.items():
        if resource == resources.SECRET:
            wanted |= set(item["data"].values()) - secrets_that_are_none(item)
            wanted |= {row for row in secrets.values_of(item).get("tls.key", "").splitlines() if "-----" not in row}
    files = unpacked(path)
    assert len(wanted) > 20
    assert [] == [(name, secret) for name, text in files.items() for secret in wanted if secret in text]
    assert "[redacted]" in files["logs/shop-s0-a.log"]


def secrets_that_are_none(item: dict[str, Any]) -> set[str]:
    """Return the values of a Secret that anybody may know."""
    return {item["data"][key] for key in ("username",) if key in item["data"]}


async def test_what_is_in_the_zip(caller: Caller, planted: Surroundings, tmp_path: pathlib.Path) -> None:
    """Each thing that helps, as text; readable by its maker alone."""
    planted.put(ring())
    path = tmp_path / "shop.zip"
    done = await caller.call("report", "shop", "--to", str(path))
    files = unpacked(path)
    idle = {f"logs/{instance}.log" for instance in surroundings.INSTANCES}
    assert {
        "README.txt", "cluster.json", "doctor.txt", "events.txt", "map.json", "persistentvolumeclaims.json",
        "pods.json", "shards.txt", "statefulsets.json", "status.txt", "why-s0.txt", "why-s1.txt", "operator/pods.json",
        "logs/covet-7d9-x.log", "logs/shop-s0-a.previous.log", *idle,
    } == set(files)  # fmt: skip
    assert files["status.txt"].startswith("Cluster    shop in namespace default\n")
    assert files["doctor.txt"].startswith("ok ")
    assert "Warning\tUnhealthy\tPod/shop-s0-a-0\t1\tLogin with password=[redacted] failed." in files["events.txt"]
    assert ["shop-s0-a"] == [item["metadata"]["name"] for item in json.loads(files["statefulsets.json"])]
    assert "managedFields" not in files["statefulsets.json"]
    assert json.loads(files["map.json"])[0]["data"] == {"map": "slots"}
    assert f"Wrote {path} (" in done.out
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def ring() -> dict[str, Any]:
    """Return the map of slots."""
    metadata = {"name": names.ring_map("shop"), "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"map": "slots"}}


async def test_what_may_not_be_read_is_left_out_and_named(
    caller: Caller, planted: Surroundings, tmp_path: pathlib.Path
) -> None:
    """One thing that cannot be had is no reason to have nothing."""
    planted.denied |= {("list", "statefulsets"), ("get", "pods/log"), ("list", "events")}
    path = tmp_path / "shop.zip"
    done = await caller.call("report", "shop", "--to", str(path))
    assert 0 == done.code
    files = unpacked(path)
    assert "- statefulsets.json: You may not list statefulsets in namespace default\n" in files["README.txt"]
    assert "- events.txt: You may not list events in namespace default\n" in files["README.txt"]
    assert f"- logs/covet-7d9-x.log: You may not get pods/log in namespace {SYSTEM}\n" in files["README.txt"]
    assert {"pods.json", "status.txt"} < set(files)


@pytest.mark.usefixtures("planted")
async def test_a_file_that_is_there_is_not_written_over(caller: Caller, tmp_path: pathlib.Path) -> None:
    """It may be the report of yesterday."""
    path = tmp_path / "shop.zip"
    path.write_text("yesterday")
    done = await caller.call("report", "shop", "--to", str(path))
    assert (1, "yesterday") == (done.code, path.read_text())
    assert "is there already" in done.err


async def test_a_folder_that_is_not_there(caller: Caller, tmp_path: pathlib.Path) -> None:
    """Told in a sentence."""
    done = await caller.call("report", "shop", "--to", str(tmp_path / "none" / "shop.zip"))
    assert 1 == done.code
    assert "cannot be written: No such file or directory." in done.err
