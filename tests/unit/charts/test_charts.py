"""The Helm charts: rendered by both majors of Helm, with the rights that the operator uses and no others."""

import datetime as dt
import functools
import json
import pathlib
import subprocess
from collections.abc import Iterable
from typing import Any

import pytest
import yaml

from covet.core import names, settings
from covet.kube import rights
from covet.kube.resources import Resource
from covet.manifests import policies
from tests.e2e.devcluster import clients
from tests.unit.manifests import samples
from tests.unit.manifests.test_pods import violations

ROOT = pathlib.Path(__file__).resolve().parents[3]
CHARTS = ROOT / "charts"
MAJORS = ("helm3", "helm4")
Rules = set[tuple[str, str, str]]


@functools.cache
def program(major: str) -> str:
    """Return the path of Helm 3 or Helm 4."""
    found = clients.unpack()
    return str(found.helm3 if major == "helm3" else found.helm)


def helm(major: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Helm without a cluster."""
    return subprocess.run([program(major), *arguments], capture_output=True, text=True, timeout=60, check=False)


@functools.cache
def template(major: str, *values: str, release: str = "covet", chart: str = "covet") -> str:
    """Return a chart rendered with `--set` values."""
    settings_given = [part for value in values for part in ("--set", value)]
    done = helm(major, "template", release, str(CHARTS / chart), "-n", "covet-system", *settings_given)
    assert 0 == done.returncode, done.stderr
    return done.stdout


def rendered(*values: str, release: str = "covet", chart: str = "covet") -> list[dict[str, Any]]:
    """Return the objects of a chart."""
    text = template("helm4", *values, release=release, chart=chart)
    return [found for found in yaml.safe_load_all(text) if found]


def one(kind: str, *values: str) -> dict[str, Any]:
    """Return the only object of a kind in the chart covet."""
    (found,) = [made for made in rendered(*values) if made["kind"] == kind]
    return found


def operator_pod(*values: str) -> dict[str, Any]:
    """Return the operator's pod template."""
    found: dict[str, Any] = one("Deployment", *values)["spec"]["template"]
    return found


def environment(*values: str) -> dict[str, str]:
    """Return the environment that the chart gives the operator; names of fields stand for what they hold."""
    entries = operator_pod(*values)["spec"]["containers"][0]["env"]
    return {entry["name"]: entry.get("value", "from a field") for entry in entries}


def granted(rules: Iterable[dict[str, Any]]) -> Rules:
    """Return rules as (group, resource, verb)."""
    return {
        (group, resource, verb)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def used(table: dict[Resource, tuple[str, ...]]) -> Rules:
    """Return a part of the operator's table as (group, resource, verb)."""
    return {(resource.group, resource.plural, verb) for resource, verbs in table.items() for verb in verbs}


def used_subresources() -> Rules:
    """Return the operator's rights on parts of objects."""
    return {
        (resource.group, f"{resource.plural}/{part}", verb)
        for (resource, part), verbs in rights.SUBRESOURCES.items()
        for verb in verbs
    }


def roles(*values: str) -> dict[tuple[str, str], Rules]:
    """Return kind and namespace of each role, and what it grants."""
    return {
        (made["kind"], made["metadata"].get("namespace", "")): granted(made["rules"])
        for made in rendered(*values)
        if made["kind"] in ("Role", "ClusterRole")
    }


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("chart", ["covet", "covet-crds"])
def test_helm_finds_no_fault(major: str, chart: str) -> None:
    """Both majors lint the charts strictly."""
    done = helm(major, "lint", "--strict", str(CHARTS / chart))
    assert 0 == done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("values", [(), ("replicas=2", "watchNamespaces={a,b}", "images.registry=reg.example/covet")])
def test_both_majors_render_the_same(values: tuple[str, ...]) -> None:
    """It does not matter which Helm a user has."""

    def objects(major: str) -> list[dict[str, Any]]:
        found = [made for made in yaml.safe_load_all(template(major, *values)) if made]
        return sorted(found, key=lambda made: (made["kind"], made["metadata"]["name"], str(made["metadata"])))

    assert objects("helm3") == objects("helm4")


def test_the_definitions_are_kept_when_their_release_is_removed() -> None:
    """With the definition every cluster would go."""
    (definition,) = rendered(chart="covet-crds", release="covet-crds")
    assert "covetclusters.covet.dev" == definition["metadata"]["name"]
    assert "keep" == definition["metadata"]["annotations"]["helm.sh/resource-policy"]


def test_the_chart_grants_what_the_operator_uses_and_no_more() -> None:
    """Neither the table nor the role can grow alone."""
    found = roles()
    everywhere = used(rights.NAMESPACED) | used(rights.GIVEN_AWAY) | used_subresources() | used(rights.CLUSTERWIDE)
    assert {("ClusterRole", ""), ("Role", "covet-system")} == set(found)
    assert everywhere == found["ClusterRole", ""]
    assert used(rights.OWN_NAMESPACE) == found["Role", "covet-system"]


def test_of_definitions_only_our_own_is_readable() -> None:
    """What other software defines in the Kubernetes cluster is not the operator's business."""
    rules = [rule for made in rendered() if made["kind"] == "ClusterRole" for rule in made["rules"]]
    named = [rule["resourceNames"] for rule in rules if "customresourcedefinitions" in rule["resources"]]
    assert [[f"{names.PLURAL}.{names.GROUP}"]] == named


def test_rights_end_at_the_namespaces_that_are_listed() -> None:
    """With `watchNamespaces` no Secret outside of them is readable."""
    found = roles("watchNamespaces={store,bank}")
    within = used(rights.NAMESPACED) | used(rights.GIVEN_AWAY) | used_subresources()
    assert used(rights.CLUSTERWIDE) == found["ClusterRole", ""]
    assert {"store": within, "bank": within} == {
        namespace: granted_there for (_, namespace), granted_there in found.items() if namespace in ("store", "bank")
    }
    assert "store,bank" == environment("watchNamespaces={store,bank}")["COVET_WATCH_NAMESPACES"]


def test_no_right_is_a_wildcard() -> None:
    """Every right is named."""
    assert [] == [right for rules in roles().values() for right in rules if "*" in "".join(right)]


@pytest.mark.parametrize("values", [(), ("watchNamespaces={store}",)])
def test_every_role_is_bound_to_the_operators_account(values: tuple[str, ...]) -> None:
    """A role that nobody has grants nothing; one that others have grants too much."""
    made = rendered(*values)
    account = next(found["metadata"]["name"] for found in made if found["kind"] == "ServiceAccount")
    bindings = [found for found in made if found["kind"].endswith("Binding")]
    for binding in bindings:
        assert [{"kind": "ServiceAccount", "name": account, "namespace": "covet-system"}] == binding["subjects"]
    defined = {
        (found["kind"], found["metadata"].get("namespace"), found["metadata"]["name"])
        for found in made
        if found["kind"] in ("Role", "ClusterRole")
    }
    assert defined == {
        (found["roleRef"]["kind"], found["metadata"].get("namespace"), found["roleRef"]["name"]) for found in bindings
    }
    assert account == operator_pod(*values)["spec"]["serviceAccountName"]


def test_the_operators_pod_satisfies_the_restricted_standard() -> None:
    """The operator asks no more of its namespace than the databases do."""
    pod = operator_pod()["spec"]
    assert [] == violations(pod)
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


def test_the_operator_reads_every_variable_that_the_chart_sets() -> None:
    """What a value says arrives in the settings."""
    values = (
        "images.postgres.15=pg:15",
        "images.registry=reg.example/covet",
        "images.router=router:1",
        "images.pullPolicy=Always",
        "images.pullSecrets={one,two}",
        "watchNamespaces={store}",
        "logFormat=text",
        "certificates.lifetime=12h",
        "certificates.authorityLifetime=30d",
    )
    found = settings.from_environ(environment(*values))
    assert (
        settings.Settings(
            namespace="from a field",
            identity="from a field",
            watch_namespaces=("store",),
            postgres_images={"15": "reg.example/covet/pg:15"},
            router_image="reg.example/covet/router:1",
            image_pull_policy="Always",
            image_pull_secrets=("one", "two"),
            log_format="text",
            lease="covet",
            certificate_lifetime=dt.timedelta(hours=12),
            authority_lifetime=dt.timedelta(days=30),
        )
        == found
    )


def test_ports_and_paths_are_those_of_the_operator() -> None:
    """Probes, Service and NetworkPolicy agree on the port that the operator serves."""
    (container,) = operator_pod()["spec"]["containers"]
    assert [settings.HEALTH_PORT] == [port["containerPort"] for port in container["ports"]]
    probes = {name: container[name]["httpGet"]["path"] for name in ("livenessProbe", "readinessProbe")}
    assert {"livenessProbe": "/livez", "readinessProbe": "/readyz"} == probes
    assert settings.HEALTH_PORT == one("Service")["spec"]["ports"][0]["port"]
    ingress = one("NetworkPolicy")["spec"]["ingress"]
    assert [[settings.HEALTH_PORT]] == [[port["port"] for port in rule["ports"]] for rule in ingress]


def test_the_policies_of_operator_and_databases_meet() -> None:
    """Each side lets the other through by labels that the other's pods carry."""
    labels = operator_pod()["metadata"]["labels"]
    admitted = policies.network(samples.CLUSTER, "s0", "covet-system", (443, 6443))["spec"]["ingress"][1]["from"][0]
    assert admitted["podSelector"]["matchLabels"].items() <= labels.items()
    to_agents = one("NetworkPolicy")["spec"]["egress"][-1]
    assert [names.AGENT_PORT] == [port["port"] for port in to_agents["ports"]]
    (stateful_set,) = [
        made
        for made in samples.shard_objects(samples.wanted(shards={"count": 1, "instances": 1}), samples.CLUSTER, "s0")
        if made["kind"] == "StatefulSet"
    ]
    wanted = to_agents["to"][0]["podSelector"]["matchLabels"].items()
    assert wanted <= stateful_set["spec"]["template"]["metadata"]["labels"].items()


def test_the_operator_reaches_dns_where_the_databases_do() -> None:
    """A policy sees the port of the DNS pod, which on some distributions is not that of its Service."""
    databases = policies.network(samples.CLUSTER, "s0", "covet-system", (443, 6443))["spec"]["egress"]
    (dns, api) = [rule["ports"] for rule in databases if "to" not in rule]
    assert [dns, api] == [rule["ports"] for rule in one("NetworkPolicy")["spec"]["egress"][:2]]


def test_databases_are_told_the_ports_of_the_api_server() -> None:
    """What an installer writes for the operator's own policy holds for the databases' too."""
    assert "443,6443" == environment()["COVET_API_PORTS"]
    assert "8443" == environment("networkPolicy.apiServerPorts={8443}")["COVET_API_PORTS"]


def test_what_is_switched_off_is_not_rendered() -> None:
    """Metrics Service and NetworkPolicy are the installer's choice."""
    kinds = {made["kind"] for made in rendered("metrics.service=false", "networkPolicy.enabled=false")}
    assert {"Service", "NetworkPolicy"}.isdisjoint(kinds)


def test_two_releases_side_by_side_share_no_object() -> None:
    """A second installation in the same namespace overwrites nothing of the first."""

    def keys(release: str) -> set[tuple[str, str, str]]:
        return {
            (made["kind"], made["metadata"].get("namespace", ""), made["metadata"]["name"])
            for made in rendered(release=release)
        }

    assert set() == keys("covet") & keys("canary")


@pytest.mark.parametrize("release", ["covet", "canary"])
def test_each_release_has_a_lease_of_its_own_and_may_touch_no_other(release: str) -> None:
    """Two releases in one namespace, each for its own namespaces, do not wait for each other."""
    made = rendered(release=release)
    (deployment,) = [found for found in made if found["kind"] == "Deployment"]
    entries = deployment["spec"]["template"]["spec"]["containers"][0]["env"]
    (lease,) = [entry["value"] for entry in entries if entry["name"] == "COVET_LEASE"]
    (role,) = [found for found in made if found["kind"] == "Role"]
    named = [rule for rule in role["rules"] if "create" not in rule["verbs"]]
    assert [[lease]] == [rule["resourceNames"] for rule in named]
    assert release in lease


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("replicas=3", "replicas"),
        ("replicas=0", "replicas"),
        ("replicas=two", "replicas"),
        ("image=covet", "image"),
        ("images.pullPolicy=Sometimes", "pullPolicy"),
        ("images.postgres.latest=pg", "latest"),
        ("images.operator=", "operator"),
        ("images.registry=reg.example/", "registry"),
        ("watchNamespaces={Store}", "watchNamespaces"),
        ("watchNamespaces={store,store}", "watchNamespaces"),
        ("logFormat=xml", "logFormat"),
        ("certificates.lifetime=90", "lifetime"),
        ("networkPolicy.apiServerPorts={0}", "apiServerPorts"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(major: str, value: str, says: str) -> None:
    """A mistyped value is told before anything is installed."""
    done = helm(major, "template", "covet", str(CHARTS / "covet"), "--set", value)
    assert 0 != done.returncode
    assert says in done.stderr


def test_the_charts_know_which_kubernetes_they_need() -> None:
    """Rules of the definition use functions of Kubernetes 1.29."""
    for chart in ("covet", "covet-crds"):
        described = yaml.safe_load((CHARTS / chart / "Chart.yaml").read_text(encoding="utf-8"))
        assert ">=1.29.0-0" == described["kubeVersion"]


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize("chart", ["covet", "covet-crds"])
@pytest.mark.parametrize(("version", "good"), [("1.28.15", False), ("1.29.0", True), ("1.30.1-gke.100", True)])
def test_an_older_kubernetes_is_refused(major: str, chart: str, version: str, good: bool) -> None:
    """Helm says which version it takes, before anything is installed; vendors' own endings of a version do no harm."""
    done = helm(major, "template", "covet", str(CHARTS / chart), "--kube-version", version)
    assert good is (done.returncode == 0), done.stderr
    assert good or "requires kubeVersion: >=1.29.0-0" in done.stderr


def test_every_value_is_described_by_the_schema() -> None:
    """A value without a schema could be mistyped unseen."""
    values = yaml.safe_load((CHARTS / "covet" / "values.yaml").read_text(encoding="utf-8"))
    schema = json.loads((CHARTS / "covet" / "values.schema.json").read_text(encoding="utf-8"))
    assert {"global"} == set(schema["properties"]) - set(values)
    assert set() == set(values) - set(schema["properties"])


def test_every_value_is_on_the_page_about_installing() -> None:
    """A reader finds each value, and none that is gone."""

    def leaves(node: dict[str, Any], path: str = "") -> set[str]:
        whole = {"resources", "images.postgres", "nodeSelector", "metrics.labels"}
        found: set[str] = set()
        for name, value in node.items():
            inner = f"{path}.{name}".removeprefix(".")
            found |= leaves(value, inner) if isinstance(value, dict) and inner not in whole else {inner}
        return found

    values = leaves(yaml.safe_load((CHARTS / "covet" / "values.yaml").read_text(encoding="utf-8")))
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    table = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert values == {name.strip(" `") for cell in table for name in cell.split(",")}
