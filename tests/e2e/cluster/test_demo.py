"""What the demo promises, by its own functions: ten lines applied, ten thousand rows written and read over TLS."""

import io

import pytest
import rich.console
import rich.table

from tests.e2e.installation import Installation
from tools import demo

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


def printed(table: rich.table.Table) -> str:
    """Return a table as the demo prints it where there is no terminal."""
    output = io.StringIO()
    rich.console.Console(file=output, width=demo.PLAIN_WIDTH).print(table)
    return output.getvalue()


def let_client_out(covet: Installation, namespace: str) -> None:
    """Let the demo's client ask and dial: all traffic is denied by default here, as an application would find it."""
    client = {"matchLabels": {"job-name": "client"}}
    covet.apply(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "client", "namespace": namespace},
            "spec": {"podSelector": client, "policyTypes": ["Egress"], "egress": [{}]},
        }
    )


def test_the_demo(covet: Installation, namespace: str) -> None:
    """Every row is read back from the primaries and from replicas of both shards, encrypted, and the tables say so."""
    steps = demo.Steps()
    with steps.step("apply until Ready"):
        demo.apply_cluster(covet, namespace)
        let_client_out(covet, namespace)
    with steps.step("write and read"):
        events = demo.run_client(covet, namespace)

    reads = {(event["shard"], event["service"]): event for event in events if event["event"] == "read"}
    assert {("s0", "rw"), ("s0", "ro"), ("s1", "rw"), ("s1", "ro")} == set(reads)
    for service, replica in (("rw", False), ("ro", True)):
        answers = [event for (_, answered), event in reads.items() if answered == service]
        assert demo.ROWS == sum(event["rows"] for event in answers)
        assert all(event["rows"] > 0.4 * demo.ROWS for event in answers), answers
        assert [replica, replica] == [event["replica"] for event in answers]
        assert {"TLSv1.3"} == {event["tls"] for event in answers}

    shards = printed(demo.shards_table(covet.get("covetcluster", demo.CLUSTER, namespace), events))
    assert "10,000 rows written by key" in shards
    assert ["8192", "8192"] == [cell for cell in shards.split() if cell == "8192"]
    seconds = printed(demo.steps_table(steps, events))
    for step in ("apply until Ready", "write and read", "client: write", "client: read-replicas", "all"):
        assert step in seconds
    taken = demo.all_steps(steps, events)
    assert {*steps.seconds, "client: write", "client: read-primaries", "client: read-replicas"} == set(taken)
    assert all(0 < value < 600 for value in taken.values()), taken
