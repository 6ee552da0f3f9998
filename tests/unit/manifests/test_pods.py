"""The pod of an instance: restricted, mounted as the agent expects, and never restarted by its own settings."""

import copy
from typing import Any

import pytest

from covet.core import names
from covet.manifests import instances, pods
from tests.unit.manifests import samples

RESTRICTED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
HOST_FIELDS = ("hostNetwork", "hostPID", "hostIPC", "hostUsers")


def violations(pod: dict[str, Any]) -> list[str]:
    """Return what the `restricted` Pod Security Standard holds against a pod spec."""
    found = [field for field in HOST_FIELDS if pod.get(field)]
    found += [
        f"volume {volume['name']}"
        for volume in pod.get("volumes", ())
        if not RESTRICTED_VOLUMES >= set(volume) - {"name"}
    ]
    whole = pod.get("securityContext", {})
    for container in (*pod["containers"], *pod.get("initContainers", ())):
        own = container.get("securityContext", {})
        merged = {**whole, **own}
        rules = {
            "privileged": not own.get("privileged"),
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
            "runAsNonRoot": merged.get("runAsNonRoot") is True,
            "runAsUser": merged.get("runAsUser") != 0,
            "seccompProfile": merged.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
            "capabilities.drop": own.get("capabilities", {}).get("drop") == ["ALL"],
            "capabilities.add": set(own.get("capabilities", {}).get("add", ())) <= {"NET_BIND_SERVICE"},
            "hostPort": not any(port.get("hostPort") for port in container.get("ports", ())),
        }
        found += [rule for rule, kept in rules.items() if not kept]
    return found


def pod(**fields: Any) -> dict[str, Any]:
    """Return the pod template of shop-s0-a."""
    return pods.template(samples.CLUSTER, "s0", "shop-s0-a", samples.wanted(**fields), samples.IMAGE)


def container(**fields: Any) -> dict[str, Any]:
    """Return the one container of shop-s0-a."""
    (only,) = pod(**fields)["spec"]["containers"]
    found: dict[str, Any] = only
    return found


def test_the_pod_satisfies_the_restricted_standard() -> None:
    """A namespace that enforces `restricted` admits the pod."""
    assert [] == violations(pod()["spec"])


@pytest.mark.parametrize(
    ("path", "value", "violation"),
    [
        (("spec", "securityContext", "runAsNonRoot"), False, "runAsNonRoot"),
        (("spec", "securityContext", "seccompProfile"), {"type": "Unconfined"}, "seccompProfile"),
        (("spec", "containers", 0, "securityContext", "allowPrivilegeEscalation"), True, "allowPrivilegeEscalation"),
        (("spec", "containers", 0, "securityContext", "capabilities"), {"drop": []}, "capabilities.drop"),
        (("spec", "containers", 0, "securityContext", "privileged"), True, "privileged"),
        (("spec", "volumes", 0), {"name": "run", "hostPath": {"path": "/"}}, "volume run"),
        (("spec", "hostNetwork"), True, "hostNetwork"),
    ],
)
def test_the_check_of_the_standard_finds_what_breaks_it(path: tuple[Any, ...], value: object, violation: str) -> None:
    """The check above can fail."""
    broken = copy.deepcopy(pod())
    parent = broken
    for part in path[:-1]:
        parent = parent[part]
    parent[path[-1]] = value
    assert [violation] == violations(broken["spec"])


def test_the_root_file_system_is_read_only() -> None:
    """What an intruder writes is gone with the pod, except on the volume."""
    assert container()["securityContext"]["readOnlyRootFilesystem"] is True
    writable = {mount["mountPath"] for mount in container()["volumeMounts"] if not mount.get("readOnly")}
    assert {"/var/lib/covet", "/run/covet", "/tmp", "/dev/shm"} == writable  # noqa: S108 - paths in the pod


def test_pods_publish_their_primary_in_the_name_of_their_shard() -> None:
    """The account of one shard has no right to another's objects."""
    assert pod()["spec"]["automountServiceAccountToken"] is True
    assert "shop-s0" == pod()["spec"]["serviceAccountName"]
    told = {entry["name"]: entry["valueFrom"]["fieldRef"]["fieldPath"] for entry in container()["env"][7:]}
    assert {"COVET_POD_ADDRESS": "status.podIP", "COVET_NODE": "spec.nodeName"} == told


def test_the_agent_finds_everything_where_its_environment_says() -> None:
    """Environment and mounts are two halves of one contract."""
    environment = {entry["name"]: entry["value"] for entry in container()["env"] if "value" in entry}
    assert {
        "COVET_INSTANCE": "shop-s0-a",
        "COVET_SPEC": "/etc/covet/spec/spec.json",
        "COVET_TLS": "/etc/covet/tls",
        "COVET_DATA": "/var/lib/covet",
        "COVET_RUN": "/run/covet",
        "COVET_PG_BIN": "/usr/lib/postgresql/15/bin",
        "COVET_LOG": "json",
    } == environment
    mounts = {mount["name"]: mount["mountPath"] for mount in container()["volumeMounts"]}
    assert ("/etc/covet/spec", "/etc/covet/tls", "/var/lib/covet") == (mounts["spec"], mounts["tls"], mounts["data"])
    volumes = {volume["name"] for volume in pod()["spec"]["volumes"]} | {instances.CLAIM}
    assert set(mounts) == volumes


def test_the_private_key_is_for_the_group_alone() -> None:
    """PostgreSQL refuses a key of root's that others than its group may read."""
    (tls,) = [volume for volume in pod()["spec"]["volumes"] if volume["name"] == "tls"]
    assert {"secretName": "shop-s0-a-tls", "defaultMode": 0o440} == tls["secret"]
    assert 10001 == pod()["spec"]["securityContext"]["fsGroup"]


def test_probes_ask_the_agent_over_tls() -> None:
    """Startup, liveness and readiness are three questions on the agent's port."""
    probes = {name: container()[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert {"startupProbe": "/startupz", "livenessProbe": "/livez", "readinessProbe": "/readyz"} == {
        name: get["path"] for name, get in probes.items()
    }
    assert {("agent", "HTTPS")} == {(get["port"], get["scheme"]) for get in probes.values()}
    ports = {port["name"]: port["containerPort"] for port in container()["ports"]}
    assert {"sql": 5432, "agent": 7443, "voter": 7444} == ports


def test_a_changed_setting_does_not_change_the_pod() -> None:
    """Server settings travel by ConfigMap and reload; none of them restarts a pod."""
    other = {"name": "PostgreSQL", "version": "15", "parameters": {"work_mem": "64MB"}}
    assert pod() == pod(engine=other)
    assert pod() == pod(shards={"count": 8, "weights": {"s1": 5}}, durability="Async", storage={"size": "20Gi"})


def test_instances_of_a_shard_spread_over_nodes() -> None:
    """The loss of a node takes as few instances of a shard as can be; lost nodes do not count."""
    (spread,) = pod()["spec"]["topologySpreadConstraints"]
    assert {
        "maxSkew": 1,
        "topologyKey": "kubernetes.io/hostname",
        "whenUnsatisfiable": "DoNotSchedule",
        "nodeTaintsPolicy": "Honor",
        "labelSelector": {"matchLabels": {names.LABEL_CLUSTER: "shop", names.LABEL_SHARD: "s0"}},
    } == spread
    assert spread["labelSelector"]["matchLabels"].items() <= pod()["metadata"]["labels"].items()


def test_scheduling_is_passed_to_the_pod() -> None:
    """Node labels, taints and the topology are the user's to say."""
    asked = {
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "db", "effect": "NoExecute"}],
        "topologyKey": "topology.kubernetes.io/zone",
    }
    found = pod(scheduling=asked)["spec"]
    assert asked["nodeSelector"] == found["nodeSelector"]
    assert asked["tolerations"] == found["tolerations"]
    assert asked["topologyKey"] == found["topologySpreadConstraints"][0]["topologyKey"]


def test_resources_are_passed_and_processors_are_not_limited_by_default() -> None:
    """Throttling stalls commits and heartbeats, so it is only there when asked for."""
    assert {"requests": {"cpu": "100m", "memory": "256Mi"}} == container()["resources"]
    limited = container(resources={"limits": {"memory": "1Gi"}})["resources"]
    assert {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "1Gi"}} == limited


def test_the_image_is_pulled_as_the_installation_says() -> None:
    """Policy and Secrets for pulling come from the installation."""
    image = pods.Image("reg.example/pg@sha256:00", "Always", ("pull",))
    found = pods.template(samples.CLUSTER, "s0", "shop-s0-a", samples.wanted(), image)["spec"]
    assert [{"name": "pull"}] == found["imagePullSecrets"]
    assert ("reg.example/pg@sha256:00", "Always") == (
        found["containers"][0]["image"],
        found["containers"][0]["imagePullPolicy"],
    )


def test_the_server_has_time_to_stop() -> None:
    """A shutdown checkpoint takes longer than the default of 30 s."""
    assert 60 == pod()["spec"]["terminationGracePeriodSeconds"]


PLACED = {
    "resources": {"limits": {"memory": "2Gi"}},
    "scheduling": {
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "topologyKey": "topology.kubernetes.io/zone",
    },
}


@pytest.mark.parametrize(("fields", "digest"), [({}, "3d9b89713ee2132a"), (PLACED, "0c6e9a274d2d690a")])
def test_pods_that_run_somewhere_ask_for_the_same(fields: dict[str, Any], digest: str) -> None:
    """Never change these: with another digest an upgrade of the operator would restart every database there is."""
    assert digest == pod(**fields)["metadata"]["annotations"][names.ANNOTATION_ASKED]


BOUND = {
    "shards": {"count": 2, "placement": {"s0": {"zone": "eu-west-1a"}}},
    "scheduling": {"nodeSelector": {"disk": "ssd"}},
}


def test_a_shard_is_bound_to_its_zone_and_no_other_shard_is() -> None:
    """The data of some customers stays in a zone; the other shards run where there is room."""
    bound, free = (
        pods.template(samples.CLUSTER, shard, f"shop-{shard}-a", samples.wanted(**BOUND), samples.IMAGE)
        for shard in ("s0", "s1")
    )
    assert {"disk": "ssd", "topology.kubernetes.io/zone": "eu-west-1a"} == bound["spec"]["nodeSelector"]
    assert {"disk": "ssd"} == free["spec"]["nodeSelector"]


def test_a_zone_restarts_the_shard_that_gets_it() -> None:
    """The pods of the other shards ask for what they asked for before."""
    alone = {"scheduling": BOUND["scheduling"]}
    assert pods.asked(samples.wanted(**alone), "s0") != pods.asked(samples.wanted(**BOUND), "s0")
    assert pods.asked(samples.wanted(**alone), "s1") == pods.asked(samples.wanted(**BOUND), "s1")


@pytest.mark.parametrize(
    ("fields", "differs"),
    [
        ({"resources": {"requests": {"memory": "1Gi"}}}, True),
        ({"scheduling": {"nodeSelector": {"disk": "fast"}}}, True),
        ({"engine": {"name": "PostgreSQL", "version": "15", "parameters": {"work_mem": "7MB"}}}, False),
    ],
)
def test_a_pod_says_what_its_user_asked_of_it(fields: dict[str, Any], differs: bool) -> None:
    """An edit that needs another pod can be told from an upgrade, which leaves the digest as it is."""
    before, after = (found["metadata"]["annotations"][names.ANNOTATION_ASKED] for found in (pod(), pod(**fields)))
    assert differs is (before != after)
