"""The devcluster keeps what it promises: the other cluster tests are worth what these are worth."""

import functools
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.e2e import target
from tests.e2e.devcluster import processes
from tests.e2e.devcluster.api import wait_until
from tests.e2e.devcluster.cluster import Devcluster
from tests.e2e.devcluster.workloads import PORT, Playground

pytestmark = pytest.mark.cluster

# A network that answers does so in milliseconds: whatever is to come about is asked for again this long.
SETTLE_SECONDS = 15


@pytest.fixture(scope="module")
def cluster(place: target.Target) -> Devcluster:
    """The devcluster among the clusters the tests may run on."""
    name = place.devcluster_name()
    if name is None:
        pytest.skip("these promises are the devcluster's own, and this is another cluster")
    return Devcluster.attach(name)


@pytest.fixture
def playground(cluster: Devcluster) -> Iterator[Playground]:
    """A namespace of the test's own; every cut is healed and every node is on again afterwards."""
    ground = Playground.create(cluster)
    yield ground
    cluster.heal()
    for node in cluster.nodes:
        cluster.start_node(node.name)
    cluster.start_apiserver()
    ground.delete()
    for node in cluster.nodes:
        cluster.wait_node(node.name, ready=True)


def start_one_server_per_node(ground: Playground) -> list[str]:
    """Start a server on each node; returns their names, in the order of the nodes."""
    names = [f"on-{node.name}" for node in ground.cluster.nodes]
    for name, node in zip(names, ground.cluster.nodes, strict=True):
        ground.start_server(name, node=node.name)
    ground.wait_ready(*names)
    return names


def policy(name: str, spec: dict[str, object]) -> dict[str, object]:
    """A NetworkPolicy for all pods of its namespace."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name},
        "spec": {"podSelector": {}, **spec},
    }


def answers(ground: Playground, source: str, target: str, name: str) -> bool:
    """Whether the pod of that name answers at ``target`` when asked from ``source``."""
    return ground.dial(source, target) == name


def fetch(host: str, port: int) -> str | None:
    """Who answers an HTTP request of the machine itself; None if nobody does in two seconds."""
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    except OSError:
        return None
    finally:
        connection.close()


def processes_of(cluster: Devcluster, node: str) -> list[int]:
    """The machine's processes that belong to the node itself: runtime, kubelet, proxy, agents, shims."""
    return processes.find(cluster.layout.folder, cluster.node(node).unit)


def datagram_arrives(cluster: Devcluster, source: str, receiver: str) -> bool:
    """Whether one of five datagrams from node to node arrives within a second of the last."""
    address = cluster.node(receiver).address
    listen = (
        "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
        f" s.bind(('{address}', 9999)); s.settimeout(20); print('bound', flush=True); s.recv(1)"
    )
    send = (
        "import socket, time; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
        f" [(s.sendto(b'x', ('{address}', 9999)), time.sleep(0.1)) for _ in range(5)]"
    )
    command = cluster.command_inside(receiver, sys.executable, "-c", listen)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as listener:
        assert listener.stdout is not None
        assert "bound\n" == listener.stdout.readline()
        subprocess.run(cluster.command_inside(source, sys.executable, "-c", send), check=True, timeout=10)
        try:
            return listener.wait(1) == 0
        except subprocess.TimeoutExpired:
            os.killpg(listener.pid, signal.SIGKILL)
            return False


def test_every_node_is_ready(cluster: Devcluster) -> None:
    """Three machines, all of them Ready, all of the version that was built."""
    items = cluster.api.get("/api/v1/nodes")["items"]
    assert ["node-1", "node-2", "node-3"] == [item["metadata"]["name"] for item in items]
    assert {"v1.34.2"} == {item["status"]["nodeInfo"]["kubeletVersion"] for item in items}
    assert {True} == {status.ready for status in cluster.node_status()}


def test_pods_reach_pods_and_services_across_nodes(playground: Playground) -> None:
    """From every node, every pod answers by address and the Service by its DNS name."""
    names = start_one_server_per_node(playground)
    playground.start_service("first", {"app": names[0]})
    for source in names:
        for reached in names:
            assert reached == playground.dial(source, f"{playground.address(reached)}:{PORT}")
        service = f"first.{playground.namespace}.svc.cluster.local:80"
        wait_until("the Service", functools.partial(answers, playground, source, service, names[0]), seconds=10)


def test_the_machine_reaches_cluster_addresses(playground: Playground) -> None:
    """A test on the machine itself speaks to pods and Services as a pod would."""
    names = start_one_server_per_node(playground)
    playground.start_service("last", {"app": names[-1]})
    path = f"/api/v1/namespaces/{playground.namespace}/services/last"
    address = playground.api.get(path)["spec"]["clusterIP"]
    for host, port in ((playground.address(names[-1]), PORT), (address, 80)):
        wait_until("an answer", functools.partial(lambda *at: bool(fetch(*at)), host, port), seconds=10)
        assert names[-1] == fetch(host, port)


def test_nothing_leaves_the_machine(playground: Playground) -> None:
    """An address outside is unreachable at once, and a name outside does not exist."""
    playground.start_server("server")
    playground.wait_ready("server")
    assert "unreachable" in playground.run("server", "dial", "192.0.2.1:80").output
    assert "no such host" in playground.run("server", "dial", "example.org:80").output


def test_image_of_no_node_is_reported_at_once(playground: Playground) -> None:
    """A pod whose image nobody can pull says so within seconds."""
    playground.start_pod("imageless", ["serve"], image="registry.invalid/none:1")
    wait_until("the reason", lambda: "ErrImagePull" in str(playground.pod("imageless")["status"]), seconds=15)
    assert "Pending" == playground.pod("imageless")["status"]["phase"]


def test_network_policy_is_enforced(playground: Playground) -> None:
    """A deny-all stops pods on the same node and across nodes but no probe; an allow lets its peer alone through."""
    names = start_one_server_per_node(playground)
    playground.start_server("neighbour", node=playground.cluster.nodes[0].name)
    playground.wait_ready("neighbour")
    server = f"{playground.address(names[0])}:{PORT}"
    assert names[0] == playground.dial("neighbour", server)
    assert names[0] == playground.dial(names[1], server)

    playground.apply(policy("deny", {"policyTypes": ["Ingress"]}))
    wait_until("the deny", lambda: playground.dial("neighbour", server) is None, seconds=SETTLE_SECONDS)
    assert playground.dial(names[1], server) is None
    assert playground.is_ready(names[0])

    peer = {"podSelector": {"matchLabels": {"app": names[1]}}}
    allow = {"policyTypes": ["Ingress"], "ingress": [{"from": [peer], "ports": [{"port": "http"}]}]}
    playground.apply(policy("allow", allow))
    wait_until("the allow", lambda: playground.dial(names[1], server) == names[0], seconds=SETTLE_SECONDS)
    assert playground.dial("neighbour", server) is None


def test_egress_policy_needs_its_dns_rule(playground: Playground) -> None:
    """Under an egress policy names resolve only once DNS is allowed, as on any cluster."""
    names = start_one_server_per_node(playground)
    playground.start_service("web", {"app": names[0]})
    service = f"web.{playground.namespace}.svc.cluster.local:80"
    wait_until("the Service answers", lambda: playground.dial(names[1], service) == names[0], seconds=10)

    to_pods: dict[str, object] = {"to": [{"podSelector": {}}]}
    playground.apply(policy("egress", {"policyTypes": ["Egress"], "egress": [to_pods]}))
    wait_until("DNS is denied", lambda: playground.dial(names[1], service) is None, seconds=SETTLE_SECONDS)
    assert names[0] == playground.dial(names[1], f"{playground.address(names[0])}:{PORT}")

    dns = {
        "to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
        "ports": [{"port": 53, "protocol": "UDP"}],
    }
    playground.apply(policy("egress", {"policyTypes": ["Egress"], "egress": [to_pods, dns]}))
    wait_until("DNS is allowed", lambda: playground.dial(names[1], service) == names[0], seconds=SETTLE_SECONDS)


def test_killed_node_comes_back_with_its_disk(playground: Playground) -> None:
    """Power loss ends every process of a node and keeps its disk; with power it is Ready again, its pod too."""
    cluster, node = playground.cluster, playground.cluster.nodes[2]
    playground.claim("data", "32Mi")
    playground.start_server("server", node=node.name, claim="data")
    playground.wait_ready("server")
    assert 0 == playground.run("server", "write", "/data/kept", "3").code

    with socket.create_connection((playground.address("server"), PORT), timeout=3) as client:
        cluster.kill_node(node.name)
        assert [] == processes_of(cluster, node.name)
        # No process had the time to close its connections: the peer hears nothing at all.
        with pytest.raises(TimeoutError):
            client.recv(1)
    cluster.wait_node(node.name, ready=False, seconds=60)

    cluster.start_node(node.name)
    cluster.wait_node(node.name, ready=True)
    wait_until("a new container", lambda: playground.restarts("server") == 1, seconds=60)
    playground.wait_ready("server")
    assert 3 << 20 == int(playground.run("server", "size", "/data/kept").output)


def test_cut_node_is_unreachable_until_healed(playground: Playground) -> None:
    """A cut cable stops traffic both ways and nothing else; healing it is enough."""
    names = start_one_server_per_node(playground)
    cluster, server = playground.cluster, f"{playground.address(names[0])}:{PORT}"
    pids = processes_of(cluster, "node-1")
    cluster.cut_node("node-1")
    assert playground.dial(names[1], server) is None
    assert pids == processes_of(cluster, "node-1")
    cluster.heal_node("node-1")
    wait_until("the healed cable", lambda: playground.dial(names[1], server) == names[0], seconds=SETTLE_SECONDS)


def test_one_way_cut_loses_one_direction(cluster: Devcluster) -> None:
    """Datagrams of one node are lost and those of the other arrive."""
    try:
        cluster.cut("node-1", "node-2", one_way=True)
        assert not datagram_arrives(cluster, "node-1", "node-2")
        assert datagram_arrives(cluster, "node-2", "node-1")
        assert datagram_arrives(cluster, "node-1", "node-3")
    finally:
        cluster.heal()
    assert datagram_arrives(cluster, "node-1", "node-2")


def test_pods_do_not_notice_a_stopped_api_server(playground: Playground) -> None:
    """With the API server down, pods and Services keep answering, and no container is restarted by its return."""
    names = start_one_server_per_node(playground)
    playground.start_service("web", {"app": names[0]})
    path = f"/api/v1/namespaces/{playground.namespace}/services/web"
    address = playground.api.get(path)["spec"]["clusterIP"]
    wait_until("the Service answers", lambda: fetch(address, 80) == names[0], seconds=10)

    playground.cluster.stop_apiserver()
    with pytest.raises(ConnectionRefusedError):
        playground.api.get("/readyz")
    for _ in range(10):
        assert names[0] == fetch(address, 80)
        time.sleep(0.1)
    playground.cluster.start_apiserver()
    playground.wait_ready(*names)
    assert [0, 0, 0] == [playground.restarts(name) for name in names]


def test_volume_fills_and_grows(playground: Playground) -> None:
    """A volume ends where its size says, with an error to the writer, and grows under the running pod."""
    playground.claim("data", "32Mi")
    playground.start_server("server", claim="data")
    playground.wait_ready("server")
    full = playground.run("server", "write", "/data/large", "60")
    assert full.code != 0
    assert "no space left on device" in full.output

    playground.claim("data", "128Mi")
    path = f"/api/v1/namespaces/{playground.namespace}/persistentvolumeclaims/data"
    grown = wait_until(
        "the larger volume", lambda: playground.api.get(path)["status"]["capacity"]["storage"] == "128Mi", seconds=30
    )
    assert 0 == playground.run("server", "write", "/data/large", "60").code, f"{grown:.1f} s after the claim changed"
    assert 0 == playground.restarts("server")


def test_crashed_container_is_back_in_about_a_second(playground: Playground) -> None:
    """The crash back-off does not grow beyond a second, so that tests wait for the crash and not for the kubelet."""
    playground.start_pod("crashing", ["crash"])
    wait_until("the second restart", lambda: playground.restarts("crashing") >= 2, seconds=60)
    began, before = time.monotonic(), playground.restarts("crashing")
    wait_until("four more", lambda: playground.restarts("crashing") >= before + 4, seconds=40)
    # Each round is the back-off of 1 s, the start of a container, and the kubelet's look around: 1.3 s.
    assert time.monotonic() - began < 4 * 2.5


def test_volume_is_gone_with_its_claim(playground: Playground) -> None:
    """Deleting a claim unmounts the volume and gives its disk back."""
    playground.claim("data", "32Mi")
    playground.start_server("server", claim="data")
    playground.wait_ready("server")
    claim = f"{playground.namespace}/data"
    mine = [volume for volume in playground.cluster.volumes() if volume.claim == claim]
    file = playground.cluster.node(mine[0].node).volume_files / f"{mine[0].name}.img"
    assert file.exists()
    playground.api.delete(f"/api/v1/namespaces/{playground.namespace}/pods/server", grace_seconds=0)
    playground.api.delete(f"/api/v1/namespaces/{playground.namespace}/persistentvolumeclaims/data")
    wait_until("the file is gone", lambda: not file.exists(), seconds=60)
    wait_until("the volume is gone", lambda: claim not in {v.claim for v in playground.cluster.volumes()}, seconds=30)


def test_audit_log_names_who_wrote(playground: Playground) -> None:
    """Every write is in the audit log, so that a test can count the writes of an idle operator."""
    playground.claim("audited", "32Mi")
    text = playground.cluster.layout.audit_log.read_text()
    lines = [line for line in text.splitlines() if f'"namespace":"{playground.namespace}","name":"audited"' in line]
    assert any('"verb":"patch"' in line and '"username":"admin"' in line for line in lines)
