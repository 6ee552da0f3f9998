"""Install, upgrade and remove with both majors of Helm, on the real cluster and under the restricted standard."""

import contextlib
import json
import pathlib
import secrets
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.e2e import installation
from tests.e2e.cluster import shops
from tests.e2e.cluster.shops import Shop
from tests.e2e.devcluster import clients

pytestmark = pytest.mark.cluster

CHARTS = pathlib.Path(__file__).resolve().parents[3] / "charts"
DEFINITION = "covetclusters.covet.dev"
PAUSED = {
    "apiVersion": "covet.dev/v1alpha1",
    "kind": "CovetCluster",
    "metadata": {"name": "survivor"},
    "spec": {
        "engine": {"name": "PostgreSQL", "version": "15"},
        "shards": {"count": 1, "instances": 1},
        "storage": {"size": "1Gi"},
        "maintenance": {"paused": True},
    },
}

HAND_OVER = '{"status":{"operator":null}}'

Helm = Callable[..., str]


@pytest.fixture
def helm3(covet: installation.Installation) -> Helm:
    """Return Helm 3 on the cluster."""
    return lambda *arguments: covet.run(str(clients.unpack().helm3), *arguments)


@pytest.fixture
def spare(covet: installation.Installation) -> Iterator[str]:
    """Return a second namespace of the test's own, for what is watched from the first."""
    name = f"watched-{secrets.token_hex(3)}"
    covet.ensure_namespace(name)
    yield name
    with contextlib.suppress(installation.InstallationError, subprocess.TimeoutExpired):
        covet.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def release(covet: installation.Installation, namespace: str) -> Iterator[str]:
    """Return the name of a release that is removed afterwards, with its cluster-wide objects."""
    name = f"covet-{secrets.token_hex(3)}"
    yield name
    covet.helm("uninstall", name, "-n", namespace, "--ignore-not-found", "--wait")


def values(*watched: str) -> tuple[str, ...]:
    """Return arguments for the images of this checkout and the namespaces to serve."""
    return (
        *("--set", f"images.operator={installation.DEV_OPERATOR}"),
        *("--set-string", f"images.postgres.15={installation.DEV_POSTGRES}"),
        *("--set", f"watchNamespaces={{{','.join(watched)}}}"),
        *("--wait", "--timeout", "3m"),
    )


def may(covet: installation.Installation, account: str, verb: str, resource: str, namespace: str) -> bool:
    """Return whether a ServiceAccount may do something, as the API server says."""
    kind, _, part = resource.partition("/")
    command = [
        covet.kubectl_path,
        "auth",
        "can-i",
        verb,
        kind,
        f"--subresource={part}",
        "-n",
        namespace,
        "--as",
        account,
    ]
    answer = subprocess.run(
        command, env=covet.place.environment(), capture_output=True, text=True, timeout=30, check=False
    )
    assert answer.stdout.strip() in ("yes", "no"), answer.stderr
    return answer.stdout.strip() == "yes"


def pods(covet: installation.Installation, namespace: str, release: str) -> list[bool]:
    """Return, for every running pod of a release, whether it is ready."""
    selector = f"app.kubernetes.io/instance={release}"
    found = json.loads(covet.kubectl("get", "pods", "-n", namespace, "-l", selector, "-o", "json"))
    return [
        any(condition["type"] == "Ready" and condition["status"] == "True" for condition in pod["status"]["conditions"])
        for pod in found["items"]
        if "deletionTimestamp" not in pod["metadata"]
    ]


def test_helm_3_installs_what_helm_4_upgrades_and_removes(
    covet: installation.Installation, helm3: Helm, namespace: str, spare: str, release: str
) -> None:
    """A user may change the major of Helm between two upgrades; nothing is left when the release is removed."""
    chart = str(CHARTS / "covet")
    helm3("install", release, chart, "-n", namespace, *values(spare))
    assert [True] == pods(covet, namespace, release)
    covet.helm("upgrade", release, chart, "-n", namespace, *values(spare), "--set", "replicas=2")
    assert [True, True] == pods(covet, namespace, release)
    covet.helm("uninstall", release, "-n", namespace, "--wait")
    kinds = "deployments,services,serviceaccounts,networkpolicies,roles,rolebindings,clusterroles,clusterrolebindings"
    left = covet.kubectl("get", kinds, "-A", "-l", f"app.kubernetes.io/instance={release}", "-o", "name")
    assert "" == left


def test_an_operator_of_listed_namespaces_has_no_rights_elsewhere(
    covet: installation.Installation, namespace: str, spare: str, release: str
) -> None:
    """No Secret is readable outside the namespaces that a value lists, and the operator works nonetheless."""
    covet.helm("install", release, str(CHARTS / "covet"), "-n", namespace, *values(spare))
    account = f"system:serviceaccount:{namespace}:{release}"
    assert may(covet, account, "get", "secrets", spare)
    assert may(covet, account, "create", "statefulsets.apps", spare)
    assert may(covet, account, "patch", "covetclusters.covet.dev/status", spare)
    for kind in ("secrets", "configmaps", "services", "covetclusters.covet.dev"):
        assert not may(covet, account, "delete", kind, spare), kind
    assert not may(covet, account, "create", "covetclusters.covet.dev", spare)
    for elsewhere in ("default", "kube-system", namespace):
        assert not may(covet, account, "get", "secrets", elsewhere), elsewhere
        assert not may(covet, account, "list", "pods", elsewhere), elsewhere
    assert [True] == pods(covet, namespace, release)


CHART_OF_A_SHOP = """\
apiVersion: v2
name: app
version: 1.0.0
"""


@pytest.mark.long
@pytest.mark.timeout(600)
def test_helm_4_waits_until_a_cluster_is_ready(
    covet: installation.Installation, namespace: str, tmp_path: pathlib.Path
) -> None:
    """An application's chart with a CovetCluster in it: `--wait` returns once that is Ready, and no sooner."""
    shop = Shop(covet, namespace)
    (tmp_path / "templates").mkdir()
    (tmp_path / "Chart.yaml").write_text(CHART_OF_A_SHOP)
    text = json.dumps(PAUSED).replace('"paused": true', '"paused": false').replace("survivor", shop.name)
    (tmp_path / "templates" / "shop.yaml").write_text(text)
    covet.helm("install", "app", str(tmp_path), "-n", namespace, "--wait", "--timeout", "5m")
    assert "1/1" == shop.status()["primaries"]
    shop.await_ready()
    covet.helm("uninstall", "app", "-n", namespace)
    assert {} == shop.get("covetcluster", shop.name)


def admitted(shop: Shop) -> str:
    """Return the namespace of the operator that the databases let in."""
    policy = shop.get("networkpolicy", "shop-s0")
    selectors = [peer["namespaceSelector"] for rule in policy["spec"]["ingress"] for peer in rule.get("from", [])
                 if "namespaceSelector" in peer]  # fmt: skip
    (name,) = [selector["matchLabels"]["kubernetes.io/metadata.name"] for selector in selectors]
    return str(name)


@pytest.mark.timeout(600)
def test_of_two_releases_one_serves_a_cluster(
    covet: installation.Installation, namespace: str, spare: str, release: str
) -> None:
    """The second release leaves the cluster alone with a Warning, until it is handed over; then the first one does."""
    shop = Shop(covet, spare)
    shop.declare(shards={"count": 1, "instances": 1})
    shop.await_ready()
    covet.helm("install", release, str(CHARTS / "covet"), "-n", namespace, *values(spare))
    shop.await_warning("ServedElsewhere")
    assert (f"{installation.NAMESPACE}/covet", installation.NAMESPACE) == (shop.status()["operator"], admitted(shop))
    shops.scale_operator(covet, 0)
    try:
        shop.kubectl("patch", "covetcluster", "shop", "--subresource=status", "--type=merge", "-p", HAND_OVER)
        shops.until(lambda: admitted(shop) == namespace, 60, lambda: json.dumps(shop.status()))
    finally:
        shops.scale_operator(covet, 1)
    shop.await_ready()
    assert (f"{namespace}/{release}", namespace) == (shop.status()["operator"], admitted(shop))


def test_clusters_survive_the_removal_of_the_definitions_release(
    covet: installation.Installation, helm3: Helm, namespace: str
) -> None:
    """Removing covet-crds by mistake removes no cluster; installing it again takes the definition over."""
    covet.kubectl("create", "-n", namespace, "-f", "-", stdin=json.dumps(PAUSED))
    uid = covet.get("covetcluster", "survivor", namespace)["metadata"]["uid"]
    chart = str(CHARTS / "covet-crds")
    helm3("uninstall", "covet-crds", "-n", installation.NAMESPACE)
    assert uid == covet.get("covetcluster", "survivor", namespace)["metadata"]["uid"]
    helm3("upgrade", "--install", "covet-crds", chart, "-n", installation.NAMESPACE)
    covet.helm("upgrade", "--install", "covet-crds", chart, "-n", installation.NAMESPACE)
    assert uid == covet.get("covetcluster", "survivor", namespace)["metadata"]["uid"]
    assert "keep" == covet.get("crd", DEFINITION, "default")["metadata"]["annotations"]["helm.sh/resource-policy"]
