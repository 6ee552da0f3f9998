"""What a node is told before it boots."""

import pathlib
import tomllib

from tests.e2e.devcluster import addons, controlplane, nodeconfig
from tests.e2e.devcluster.layout import Layout

LAYOUT = Layout("dev", 1, pathlib.Path("/state"))
NODE = LAYOUT.node(2)


def test_kubelet_waits_for_the_volumes() -> None:
    """No pod can find an empty folder where its volume should be: the kubelet starts after they are mounted."""
    services = {service["name"]: service for service in nodeconfig.boot(NODE, "/kube")["services"]}
    ready = f"--ready-file={services['kubelet']['wait_file']}"
    assert ready in services["volumes"]["argv"]
    assert str(NODE.containerd_socket) == services["kubelet"]["wait_socket"]


def test_kernel_settings_of_the_machine_are_hidden_from_the_node() -> None:
    """Whatever the kubelet would write into the kernel is a file of the node's own."""
    binds = {bind["to"]: bind["from"] for bind in nodeconfig.boot(NODE, "/kube")["binds"]}
    for key in nodeconfig.KERNEL_SETTINGS:
        assert binds[f"/proc/sys/{key}"].startswith(str(NODE.folder))


def test_containerd_is_the_nodes_own() -> None:
    """Images, sockets and network configuration of two nodes never meet."""
    config = tomllib.loads(nodeconfig.containerd(NODE))
    plugin = config["plugins"]["io.containerd.grpc.v1.cri"]
    own = [config["root"], config["grpc"]["address"], plugin["cni"]["conf_dir"]]
    assert all(path.startswith(str(NODE.folder)) for path in own)
    assert nodeconfig.PROBE_IMAGE == plugin["sandbox_image"]


def test_crash_back_off_is_a_second() -> None:
    """Tests of crashes wait for the crash."""
    kubelet = nodeconfig.kubelet(NODE)
    assert {"maxContainerRestartPeriod": "1s"} == kubelet["crashLoopBackOff"]
    assert kubelet["featureGates"]["KubeletCrashLoopBackOffMax"] is True


def test_dns_service_leads_to_coredns() -> None:
    """Pods, the Service and CoreDNS agree on two addresses."""
    manifests = {(m["kind"], m["metadata"]["name"]): m for m in addons.manifests(LAYOUT)}
    assert nodeconfig.kubelet(NODE)["clusterDNS"] == [manifests["Service", "kube-dns"]["spec"]["clusterIP"]]
    endpoints = manifests["EndpointSlice", "kube-dns"]["endpoints"]
    assert [[LAYOUT.dns_address]] == [endpoint["addresses"] for endpoint in endpoints]
    assert f"bind {LAYOUT.dns_address}" in controlplane._corefile(LAYOUT)


def test_policies_see_coredns_as_pods() -> None:
    """An egress policy must allow DNS here by the rule that allows it elsewhere."""
    outsiders = nodeconfig.netpol(NODE)["outsiders"]
    assert [("kube-system", {"k8s-app": "kube-dns"}, LAYOUT.dns_address)] == [
        (outsider["namespace"], outsider["labels"], outsider["address"]) for outsider in outsiders
    ]


def test_volumes_are_the_default_class_and_grow() -> None:
    """A claim that names no class gets a volume of ours, on the node of its first pod."""
    (storage,) = [m for m in addons.manifests(LAYOUT) if m["kind"] == "StorageClass"]
    assert "true" == storage["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"]
    assert ("WaitForFirstConsumer", True) == (storage["volumeBindingMode"], storage["allowVolumeExpansion"])
