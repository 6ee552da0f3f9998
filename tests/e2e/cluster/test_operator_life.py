"""One cluster's life on a real Kubernetes: born, left in peace, disturbed, upgraded, deleted, refused its old name."""

import base64
import concurrent.futures
import datetime as dt
import functools
import json
import pathlib
import secrets
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import installation, target
from tests.e2e.cluster import plugin, scraping, secrecy, shops
from tests.e2e.cluster.shops import Shop
from tests.e2e.installation import Installation

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def shop(covet: Installation) -> Iterator[Shop]:
    """Two shards of three instances, ready."""
    namespace = f"life-{secrets.token_hex(3)}"
    covet.ensure_namespace(namespace)
    covet.deny(namespace)
    shop = Shop(covet, namespace)
    shop.declare()
    shop.await_ready()
    yield shop
    covet.kubectl("delete", "namespace", namespace, "--wait=false")


def audited(place: target.Target, since: float, text: str = "") -> Iterator[dict[str, Any]]:
    """Yield what the operator asked of the API server since a moment, its Lease apart: audit lines with this text."""
    log = pathlib.Path(place.kubeconfig).resolve().parent / "logs" / "audit.log"
    operator = f"system:serviceaccount:{installation.NAMESPACE}:covet"
    for line in log.read_text().splitlines():
        if operator not in line or text not in line:
            continue
        entry = json.loads(line)
        lease = entry.get("objectRef", {}).get("resource") == "leases"
        if entry["user"].get("username") == operator and not lease and _received(entry) >= since:
            yield entry


def _received(entry: dict[str, Any]) -> float:
    return dt.datetime.fromisoformat(entry["requestReceivedTimestamp"]).timestamp()


def await_rounds(shop: Shop, place: target.Target, count: int) -> None:
    """Ring for rounds of this cluster until that many have ended: each begins with a look at the object."""
    path = f"/namespaces/{shop.namespace}/covetclusters/{shop.name}"
    for _ in range(count + 1):
        since = time.time()
        shop.kubectl("annotate", "covetcluster", shop.name, f"touched={secrets.token_hex(4)}", "--overwrite")
        looks = functools.partial(audited, place, since, path)
        shops.until(lambda looks=looks: any(entry["verb"] == "get" for entry in looks()), 60)  # type: ignore[misc]  # a lambda's defaults are not inferred


def rounds(covet: Installation) -> float:
    """Return how many rounds ended settled, from the operator's metrics."""
    (pod,) = shops.operator_pods(covet)
    path = f"/api/v1/namespaces/{installation.NAMESPACE}/pods/{pod['metadata']['name']}:8080/proxy/metrics"
    text = covet.kubectl("get", "--raw", path)
    wanted = 'covet_operator_rounds_total{outcome="Settled"}'
    return next((float(line.split()[-1]) for line in text.splitlines() if line.startswith(wanted)), 0.0)


def test_the_status_tells_all(shop: Shop) -> None:
    """A ready cluster shows its primaries, its map, its endpoints and every instance in place."""
    status = shop.status()
    assert ("Ready", "2/2", 1) == (status["phase"], status["primaries"], status["map"]["epoch"])
    assert [8192, 8192] == [shard["slots"] for shard in status["shards"]]
    assert ["Serving", "Streaming", "Streaming"] == sorted(entry["state"] for entry in status["shards"][0]["instances"])
    assert {"True"} == {entry["status"] for entry in status["conditions"]}
    nodes = {entry["node"] for entry in status["shards"][0]["instances"]}
    assert 3 == len(nodes)


def test_it_works_where_nothing_is_allowed_by_default(shop: Shop) -> None:
    """Pods of the operator and of the databases are under a policy that denies all, and everybody streams."""
    namespaces = (shop.namespace, installation.NAMESPACE)
    denied = [shop.covet.get("networkpolicy", installation.DENIED, name)["spec"] for name in namespaces]
    assert [{"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}] * 2 == denied
    states = [entry["state"] for found in shop.status()["shards"] for entry in found["instances"]]
    assert (2, 4) == (states.count("Serving"), states.count("Streaming"))


def test_kubectl_shows_it(shop: Shop) -> None:
    """The printer columns say what one looks for first."""
    line = shop.kubectl("get", "cc", shop.name, "--no-headers").split()
    assert [shop.name, "True", "2", "2/2", "PostgreSQL"] == line[:5]


def test_kubectl_covet_shows_it(shop: Shop, tmp_path: pathlib.Path) -> None:
    """Every verb that looks ends well on a cluster that is well, and none of them shows the password."""
    clear = base64.b64decode(password(shop)).decode()
    calls = {
        "status": (),
        "shards": (),
        "why": ("--shard", "s1"),
        "logs": ("--shard", "s0", "--tail", "20"),
        "certs": (),
        "doctor": (),
        "reload": ("--instance", "shop-s0-a"),
        "psql": ("--shard", "s0", "--", "-Atc", "SELECT 'at ' || current_database()"),
        "report": ("--to", str(tmp_path / "report.zip")),
    }
    with concurrent.futures.ThreadPoolExecutor(max_workers=3) as threads:
        texts = threads.map(lambda verb: plugin.run(shop, verb, shop.name, *calls[verb]), calls)
        told = dict(zip(calls, texts, strict=True))
    wanted = {
        "status": "2 of 2 shards take writes",
        "shards": "shop-s1-c",
        "why": "2 of 3 promises elect",
        "logs": "postgres: ",
        "certs": "Secret/shop-s1-c-tls",
        "doctor": "Operator 0.1.0 of chart covet-0.1.0",
        "reload": "shop-s0-a",
        "psql": "at app",
        "report": "doctor.txt",
    }
    assert {} == {verb: text for verb, text in told.items() if wanted[verb] not in text}
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        told |= {name: archive.read(name).decode() for name in archive.namelist()}
    assert {"report/logs/shop-s0-a.log", "report/why-s1.txt", "report/pods.json"} <= told.keys()
    assert [] == [name for name, text in told.items() if clear in text or "PRIVATE KEY" in text]


def test_roles_and_endpoints_lead_to_the_servers(shop: Shop) -> None:
    """`-rw` leads to the pod with the role primary, `-ro` to both replicas."""
    pods = {pod["metadata"]["name"]: pod for pod in shop.items("pods")}
    roles = {name: pod["metadata"]["labels"].get("covet.dev/role") for name, pod in pods.items()}
    primary = next(name for name, role in roles.items() if role == "primary" and "-s0-" in name)
    (endpoint,) = shop.get("endpointslice", "shop-s0-rw")["endpoints"]
    assert [pods[primary]["status"]["podIP"]] == endpoint["addresses"]
    assert 2 == list(roles.values()).count("primary")
    assert 4 == list(roles.values()).count("replica")


def test_an_unchanged_round_writes_nothing(shop: Shop, place: target.Target) -> None:
    """Rounds go by, and the audit log holds no write of the operator beside its Lease."""
    began, before = time.time(), rounds(shop.covet)
    await_rounds(shop, place, 3)
    shops.until(lambda: rounds(shop.covet) >= before + 3, 60)
    written = [entry for entry in audited(place, began) if entry["verb"] in {"create", "update", "patch", "delete"}]
    assert [] == [(entry["verb"], entry["requestURI"]) for entry in written]


def drifts(shop: Shop) -> list[str]:
    """Return what Events say of drift."""
    return [event["message"] for event in shop.items("events") if event["reason"] == "DriftHealed"]


def test_drift_is_healed(shop: Shop) -> None:
    """Objects that somebody deleted or edited are as they should be within a round, and Events name what and who."""
    assert "DriftHealed" not in shop.warnings(), "nobody has changed anything yet"
    shop.kubectl("delete", "service/shop-s0-rw", "poddisruptionbudget/shop-s1", "configmap/shop-trust")
    shop.kubectl("patch", "service/shop-s1", "--type=merge", "-p", '{"spec":{"publishNotReadyAddresses":false}}')
    shop.kubectl("label", "statefulset/shop-s0-a", "covet.dev/shard-")
    shop.kubectl("label", "pod/shop-s0-b-0", "covet.dev/role=primary", "--overwrite")

    def healed() -> bool:
        return (
            {"shop-s0-rw"} <= shop.names("services")
            and {"shop-s1"} <= shop.names("poddisruptionbudgets")
            and {"shop-trust"} <= shop.names("configmaps")
            and bool(shop.get("service", "shop-s1")["spec"].get("publishNotReadyAddresses"))
            and shop.get("statefulset", "shop-s0-a")["metadata"]["labels"].get("covet.dev/shard") == "s0"
            and shop.get("pod", "shop-s0-b-0")["metadata"]["labels"].get("covet.dev/role") == "replica"
        )

    shops.until(healed, 60)
    shop.await_ready()
    assert healed()
    shops.until(lambda: "Service shop-s1: spec.publishNotReadyAddresses had been changed" in str(drifts(shop)), 30)
    port = '[{"op":"replace","path":"/spec/ports/0/port","value":9999}]'
    shop.kubectl("patch", "service/shop-s1-ro", "--type=json", "-p", port)
    wanted = "Service shop-s1-ro: spec.ports[sql].port had been changed by kubectl-patch and is put back."
    shops.until(lambda: wanted in str(drifts(shop)), 120, lambda: str(drifts(shop)))
    assert 5432 == shop.get("service", "shop-s1-ro")["spec"]["ports"][0]["port"]


@pytest.mark.parametrize("letter", ["b", "a"])
def test_a_deleted_pod_comes_back(shop: Shop, letter: str) -> None:
    """A replica's and a primary's pod come back with their volume; nobody is initialised or cloned again."""
    before = shop.system_ids()
    uid = shop.get("pod", f"shop-s0-{letter}-0")["metadata"]["uid"]
    shop.kubectl("delete", f"pod/shop-s0-{letter}-0", "--wait=false")
    shops.until(lambda: shop.get("pod", f"shop-s0-{letter}-0").get("metadata", {}).get("uid") not in {uid, None}, 90)
    shop.await_ready()
    assert before == shop.system_ids()
    log = shop.kubectl("logs", f"shop-s0-{letter}-0")
    assert "Born as" not in log


def test_a_setting_is_reloaded(shop: Shop) -> None:
    """A parameter of the spec reaches the servers without a restart."""
    shop.declare(engine={"name": "PostgreSQL", "version": "15", "parameters": {"work_mem": "7MB"}})
    shop.await_ready()
    document = json.loads(shop.get("configmap", "shop-s0-config")["data"]["spec.json"])
    assert {"work_mem": "7MB"} == document["parameters"]
    assert 0 == shop.restarts()


def test_more_shards_are_refused_once_a_table_exists(shop: Shop) -> None:
    """Nothing happens, and it is said where one looks: which table of which shard is in the way."""
    primary = shop.status()["shards"][1]["primary"]
    psql = ("/usr/lib/postgresql/15/bin/psql", "-h", "/run/covet", "-U", "covet", "-d", "app", "-Atc")
    shop.kubectl("exec", f"{primary}-0", "--", *psql, "CREATE TABLE customers (id bigint)")
    shop.declare(shards={"count": 3})
    shop.await_reason("Ready", "ChangesPending")
    (change,) = shop.status()["pendingChanges"]
    assert ("spec.shards.count", "ReshardingUnsupported") == (change["field"], change["reason"])
    assert "s1 holds table public.customers" in change["message"]
    assert 6 == len(shop.items("pods"))
    shop.declare()
    shop.await_ready()
    shop.kubectl("exec", f"{primary}-0", "--", *psql, "DROP TABLE customers")


def test_a_new_operator_changes_nothing(shop: Shop) -> None:
    """The operator is killed; its successor finds everything as it should be and starts no pod anew."""
    before = {item["metadata"]["name"]: item["metadata"]["generation"] for item in shop.items("statefulsets")}
    uids = {pod["metadata"]["uid"] for pod in shop.items("pods")}
    shops.kill_operator(shop.covet)
    shops.until(lambda: rounds_or_none(shop.covet) > 0, 90)
    shop.await_ready()
    assert before == {item["metadata"]["name"]: item["metadata"]["generation"] for item in shop.items("statefulsets")}
    assert uids == {pod["metadata"]["uid"] for pod in shop.items("pods")}


def rounds_or_none(covet: Installation) -> float:
    """Return the settled rounds, 0 while the operator is not up."""
    try:
        return rounds(covet)
    except (installation.InstallationError, ValueError):
        return 0.0


def test_every_panel_has_data(shop: Shop, place: target.Target, tmp_path: pathlib.Path) -> None:
    """Prometheus finds all as the chart's monitors say; after a switchover no query of a dashboard is empty."""
    owner = place.devcluster_name()
    if owner is None:
        pytest.skip("only the pods of a devcluster are reached from here")
    entries = shop.status()["shards"][0]["instances"]
    second = next(entry["name"] for entry in entries if entry["role"] == "Replica")

    def switch_over() -> None:
        plugin.run(shop, "switchover", shop.name, "--shard", "s0", "--to", second, "--wait")

    assert [] == scraping.without_data(shop, owner, tmp_path, switch_over)
    shop.await_ready()


def test_a_paused_cluster_is_left_alone(shop: Shop, place: target.Target) -> None:
    """Paused: a deleted Service stays away; resumed: it is back."""
    shop.declare(maintenance={"paused": True})
    shops.until(lambda: shop.status()["phase"] == "Paused", 60)
    shop.kubectl("delete", "service/shop-s1-ro")
    await_rounds(shop, place, 3)
    assert "shop-s1-ro" not in shop.names("services")
    shop.declare()
    shops.until(lambda: "shop-s1-ro" in shop.names("services"), 60)


def ask(shop: Shop, statement: str) -> str:
    """Return what the primary of s0 answers to a statement in the application's database."""
    (primary,) = [shard["primary"] for shard in shop.status()["shards"] if shard["name"] == "s0"]
    psql = ("/usr/lib/postgresql/15/bin/psql", "-h", "/run/covet", "-U", "covet", "-d", "app", "-Atqc", statement)
    return shop.kubectl("exec", f"{primary}-0", "--", *psql).strip()


def password(shop: Shop) -> str:
    """Return the owner's password, coded."""
    return str(shop.get("secret", "shop-app")["data"]["password"])


def test_no_secret_stands_where_others_may_read(shop: Shop) -> None:
    """Of every password and key: not in an object, an Event, a log, nor in arguments and environment of a process."""
    hidden, told = secrecy.hidden(shop), secrecy.told(shop)
    assert {"shop-app/password", "shop-ca/tls.key", "shop-operator-tls/tls.key", "shop-s1-c-tls/tls.key"} <= set(hidden)
    assert {"objects", "log of covet", "log of shop-s0-a-0", "processes of covet", "processes of shop-s1-c-0"} <= set(
        told
    )
    assert "COVET_INSTANCE=shop-s1-c" in told["processes of shop-s1-c-0"]
    assert [] == [(place, name) for place, text in told.items() for name, what in hidden.items() if what in text]


@pytest.mark.timeout(1200)
def test_kept_volumes_outlive_the_cluster_and_are_taken_over(shop: Shop) -> None:
    """Deleted with volumes Keep: the rest goes; a new object that names the uid gets data, passwords and identity."""
    ask(shop, "CREATE TABLE kept AS SELECT 42 AS answer")
    before = (password(shop), shop.system_ids(), shop.get("configmap", "shop-map")["data"])
    old = shop.get("covetcluster", shop.name)["metadata"]["uid"]
    shop.kubectl("delete", "covetcluster", shop.name)
    shops.until(lambda: not shop.items("pods"), 120)
    shops.until(lambda: {"shop-app", "shop-ca"} == shop.names("secrets"), 60, lambda: str(shop.names("secrets")))
    assert {"shop-identity", "shop-map", "kube-root-ca.crt"} == shop.names("configmaps")
    assert 6 == len(shop.items("persistentvolumeclaims"))
    shop.declare()
    message = shop.await_reason("Stalled", "KeptIdentity")
    assert old in message
    shop.await_warning("KeptIdentity")
    assert f"spec.adopt: {old}" in message
    assert [] == shop.items("pods")
    shop.declare(adopt=old)
    shop.await_ready(2 * shops.READY_SECONDS)
    assert "42" == ask(shop, "SELECT answer FROM kept")
    assert before == (password(shop), shop.system_ids(), shop.get("configmap", "shop-map")["data"])
    assert 0 == shops.operator_restarts(shop.covet)
