"""The control plane: etcd, the API server, its controllers and CoreDNS, as processes of the machine.

They are no pods and sit on no node, so that a test can kill every node and
still ask the API server what it saw.
"""

import json
from collections.abc import Callable, Sequence

from tests.e2e.devcluster import certs, processes
from tests.e2e.devcluster.api import Api, wait_until
from tests.e2e.devcluster.layout import Layout

UNITS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "coredns")
# A node is NotReady this long after its last sign of life. Upstream's 50 s
# would make every test of a lost node a minute longer; nodes renew their lease
# every 2.5 s, so this is eight misses.
NODE_GRACE_SECONDS = 20
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


def write_configuration(layout: Layout) -> None:
    """Make the authorities, the certificates, and the kubeconfigs of the control plane's processes."""
    layout.logs.mkdir(parents=True, exist_ok=True)
    authority = certs.Authority.create(layout.pki, "ca")
    serving = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
    authority.issue(
        "apiserver",
        "kube-apiserver",
        addresses=("127.0.0.1", layout.address, layout.service_api),
        names=("localhost", *serving),
    )
    authority.issue("apiserver-kubelet-client", "kube-apiserver-kubelet-client", groups=["system:masters"])
    certs.Authority.create(layout.pki, "front-proxy-ca").issue("front-proxy-client", "front-proxy-client")
    certs.create_signing_key(layout.pki, "service-account")
    issue_kubeconfig(layout, authority, "kube-controller-manager", "system:kube-controller-manager")
    issue_kubeconfig(layout, authority, "kube-scheduler", "system:kube-scheduler")
    issue_kubeconfig(layout, authority, "coredns", "devcluster:coredns")
    (layout.folder / "audit-policy.json").write_text(json.dumps(_AUDIT_POLICY))
    (layout.folder / "Corefile").write_text(_corefile(layout))
    admin = authority.issue("admin", "admin", groups=["system:masters"])
    config = certs.kubeconfig(layout.server, authority.pair, admin, layout.context, layout.context)
    layout.kubeconfig.touch(mode=0o600)
    layout.kubeconfig.write_text(json.dumps(config, indent=1))


def issue_kubeconfig(
    layout: Layout, authority: certs.Authority, stem: str, user: str, *, groups: Sequence[str] = ()
) -> None:
    """Sign a client certificate and write the kubeconfig that uses it, as ``pki/<stem>.kubeconfig``."""
    pair = authority.issue(stem, user, groups=groups)
    config = certs.kubeconfig(layout.server, authority.pair, pair, layout.context, user)
    path = layout.pki / f"{stem}.kubeconfig"
    path.touch(mode=0o600)
    path.write_text(json.dumps(config))


def administrator(layout: Layout) -> Api:
    """The API server as seen by an administrator."""
    return Api(layout.server, layout.pki / "ca.crt", certs.KeyPair(layout.pki, "admin"))


def start(layout: Layout, kube: str, unit: str) -> None:
    """Start one process of the control plane, unless it lives."""
    if processes.living(layout.folder, unit) is None:
        processes.spawn(layout.folder, unit, [kube, unit, *_FLAGS[unit](layout)])


def stop(layout: Layout, unit: str, *, force: bool = False) -> None:
    """Stop one process of the control plane and wait until it is gone."""
    processes.stop(layout.folder, unit, force=force)


def wait_ready(layout: Layout, *, seconds: float = 60) -> float:
    """Wait until the API server is ready; returns the seconds it took."""
    api = administrator(layout)
    return wait_until("API server", lambda: "ok" in str(api.get("/readyz")), seconds=seconds, pause=0.05)


def _etcd(layout: Layout) -> list[str]:
    peer = f"http://{layout.loopback}:2380"
    return [
        f"--name={layout.name}",
        f"--data-dir={layout.folder / 'etcd'}",
        f"--listen-client-urls={layout.etcd}",
        f"--advertise-client-urls={layout.etcd}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster={layout.name}={peer}",
        "--unsafe-no-fsync",  # the machine's crash loses the cluster, and nobody needs it then
        "--log-level=warn",
    ]


def _apiserver(layout: Layout) -> list[str]:
    pki = layout.pki
    return [
        f"--advertise-address={layout.address}",
        f"--bind-address={layout.address}",
        "--secure-port=6443",
        f"--etcd-servers={layout.etcd}",
        f"--service-cluster-ip-range={layout.service_network}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction,PodSecurity",
        "--allow-privileged=true",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet-client.key'}",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={pki / 'service-account.crt'}",
        f"--service-account-signing-key-file={pki / 'service-account.key'}",
        f"--requestheader-client-ca-file={pki / 'front-proxy-ca.crt'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={pki / 'front-proxy-client.crt'}",
        f"--proxy-client-key-file={pki / 'front-proxy-client.key'}",
        "--enable-aggregator-routing=true",  # no kube-proxy here: webhooks go to the pods themselves
        f"--audit-policy-file={layout.folder / 'audit-policy.json'}",
        f"--audit-log-path={layout.audit_log}",
        "--audit-log-maxsize=64",
        "--audit-log-maxbackup=3",
        "--shutdown-delay-duration=0s",
    ]


def _controller_manager(layout: Layout) -> list[str]:
    pki = layout.pki
    config = pki / "kube-controller-manager.kubeconfig"
    return [
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        f"--bind-address={layout.address}",
        "--leader-elect=false",  # it outlives a stopped API server
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={pki / 'service-account.key'}",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        f"--node-monitor-grace-period={NODE_GRACE_SECONDS}s",
        "--node-monitor-period=1s",
    ]


def _scheduler(layout: Layout) -> list[str]:
    config = layout.pki / "kube-scheduler.kubeconfig"
    return [
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        f"--bind-address={layout.address}",
        "--leader-elect=false",
    ]


def _coredns(layout: Layout) -> list[str]:
    return ["-conf", str(layout.folder / "Corefile")]


def _corefile(layout: Layout) -> str:
    """The zone of the cluster; every other name does not exist, for nothing here may leave the machine."""
    return f"""\
.:53 {{
    bind {layout.dns_address}
    errors
    health {layout.dns_address}:8080
    ready {layout.dns_address}:8181
    prometheus {layout.dns_address}:9153
    cache 5
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {layout.pki / "coredns.kubeconfig"}
        pods insecure
        ttl 5
    }}
    template ANY ANY . {{
        rcode NXDOMAIN
    }}
}}
"""


_FLAGS: dict[str, Callable[[Layout], list[str]]] = {
    "etcd": _etcd,
    "kube-apiserver": _apiserver,
    "kube-controller-manager": _controller_manager,
    "kube-scheduler": _scheduler,
    "coredns": _coredns,
}
