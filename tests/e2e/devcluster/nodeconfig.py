"""The configuration files of a node's processes, as plain data. Pure: nothing here touches the disk."""

from typing import Any

from tests.e2e.devcluster.layout import NodeLayout

PROBE_IMAGE = "localhost/covet-devcluster/probe:1"
# The kubelet writes these into the kernel, where they would outlive the
# cluster and change the machine: each node sees files of its own instead, that
# already say what the kubelet wants.
KERNEL_SETTINGS = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}

# What the node sees of its own in place of the machine's: folder or file of the node, path of the machine.
COVERS = {"var-log": "/var/log", "resolv.conf": "/etc/resolv.conf"}


def boot(node: NodeLayout, kube: str) -> dict[str, Any]:
    """What the node's first process does: mounts, then services in this order."""
    volumes_ready = node.volumes / ".mounted"

    def service(name: str, *argv: str, **waits: str) -> dict[str, Any]:
        return {"name": name, "argv": list(argv), "env": [], "log": str(node.logs / f"{name}.log"), **waits}

    kubeconfig = {name: str(node.folder / f"{name}.kubeconfig") for name in ("kubelet", "agents")}
    binds = [{"from": str(node.folder / name), "to": path} for name, path in COVERS.items()]
    binds += [{"from": str(node.folder / "sys" / key), "to": f"/proc/sys/{key}"} for key in KERNEL_SETTINGS]
    return {
        "hostname": node.name,
        "tmpfs": ["/run", str(node.volumes)],
        "binds": binds,
        "services": [
            service(
                "volumes",
                kube,
                "volumes",
                f"--kubeconfig={kubeconfig['agents']}",
                f"--node={node.name}",
                f"--files={node.volume_files}",
                f"--mounts={node.volumes}",
                f"--ready-file={volumes_ready}",
            ),
            service("containerd", "/usr/bin/containerd", f"--config={node.folder / 'containerd.toml'}"),
            service("netpol", kube, "netpol", f"--config={node.folder / 'netpol.json'}"),
            service("kube-proxy", kube, "kube-proxy", f"--config={node.folder / 'kube-proxy.json'}"),
            service(
                "kubelet",
                kube,
                "kubelet",
                f"--config={node.folder / 'kubelet.json'}",
                f"--kubeconfig={kubeconfig['kubelet']}",
                f"--root-dir={node.folder / 'kubelet'}",
                f"--node-ip={node.address}",
                f"--hostname-override={node.name}",
                wait_socket=str(node.containerd_socket),
                # A pod must never find the empty folder where its volume should be.
                wait_file=str(volumes_ready),
            ),
        ],
    }


def kubelet(node: NodeLayout) -> dict[str, Any]:
    """KubeletConfiguration; the names of its settings are Kubernetes' own."""
    cluster = node.cluster
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(cluster.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": node.cgroup,
        "clusterDNS": [cluster.service_dns],
        "clusterDomain": "cluster.local",
        "containerRuntimeEndpoint": f"unix://{node.containerd_socket}",
        # The shortest there is, so that tests of crashes wait for the crash and not for the kubelet.
        "crashLoopBackOff": {"maxContainerRestartPeriod": "1s"},
        "featureGates": {"KubeletCrashLoopBackOffMax": True},
        "enforceNodeAllocatable": [],
        # The nodes share the machine's disk: its fill level says nothing about any of them.
        "evictionHard": {"nodefs.available": "0%", "nodefs.inodesFree": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "failSwapOn": False,
        "localStorageCapacityIsolation": False,
        "nodeLeaseDurationSeconds": 10,
        "oomScoreAdj": 0,
        "readOnlyPort": 0,
        "resolvConf": "",
        "tlsCertFile": str(node.folder / "kubelet-serving.crt"),
        "tlsPrivateKeyFile": str(node.folder / "kubelet-serving.key"),
        "volumePluginDir": str(node.folder / "volume-plugins"),
    }


def kube_proxy(node: NodeLayout) -> dict[str, Any]:
    """KubeProxyConfiguration."""
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "clientConnection": {"kubeconfig": str(node.folder / "kube-proxy.kubeconfig")},
        "clusterCIDR": node.cluster.pod_network,
        "hostnameOverride": node.name,
        "metricsBindAddress": f"{node.address}:10249",
        "oomScoreAdj": 0,
        # These are limits of the machine, not of a namespace: leave them alone.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s"},
    }


def netpol(node: NodeLayout) -> dict[str, Any]:
    """The configuration of our NetworkPolicy agent."""
    cluster = node.cluster
    return {
        "kubeconfig": str(node.folder / "agents.kubeconfig"),
        "node": node.name,
        # CoreDNS is no pod here; policies shall see it as the pods it is elsewhere.
        "outsiders": [
            {"namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}, "address": cluster.dns_address},
        ],
    }


def cni(node: NodeLayout) -> dict[str, Any]:
    """The pod network of one node: a cable per pod, everything routed.

    With a bridge, traffic between two pods of a node would pass below the IP
    layer, and with it below NetworkPolicy and the Services' address translation.
    """
    return {
        "cniVersion": "0.4.0",
        "name": "devcluster",
        "plugins": [
            {
                "type": "ptp",
                "ipMasq": False,
                "mtu": 1500,
                "ipam": {
                    "type": "host-local",
                    "ranges": [[{"subnet": node.pod_cidr, "gateway": node.pod_gateway}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                    "dataDir": "/run/cni",
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def containerd(node: NodeLayout) -> str:
    """The configuration of the node's containerd, version 1.6 or newer, as TOML."""
    return f"""\
version = 2
root = "{node.folder / "containerd"}"
state = "/run/containerd"
oom_score = 0
disabled_plugins = [
  "io.containerd.internal.v1.opt",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.zfs",
]
[grpc]
  address = "{node.containerd_socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PROBE_IMAGE}"
  disable_apparmor = true
  # Without CAP_SYS_RESOURCE, which containers of the machine may lack, runc
  # fails with "can't get final child's PID from pipe: EOF".
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{node.folder / "cni"}"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
"""
