"""What Prometheus makes of real agents and a real operator: dashboards with data, alerts that hold their peace."""

import asyncio
import dataclasses
import os
import re
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from covet import app
from covet.core.agentapi import MemberState
from covet.testing.apiserver import ApiServer
from tests.e2e.process.operator.sites import Site
from tests.e2e.process.prometheus import Prometheus, free_port, job
from tests.e2e.process.shard import CLUSTER, Shard
from tools.telemetry import alerts, dashboards

ROOT = Path(__file__).resolve().parents[3]
RUNNER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
PORTS = 15000 + 1000 * (RUNNER % 4)
"""Below the ports of the shards, apart from those of other test runners."""
LIMIT = 90.0
AT_REST = (
    "CovetShardNotWritable",
    "CovetSeveralPrimaries",
    "CovetReplicaMissing",
    "CovetReplicationStopped",
    "CovetReplicationLag",
    "CovetOperatorStalled",
)
"""Alerts that neither the machine's disk nor a failover of minutes ago sets off."""
CHOSEN = {"$namespace": "ns", "$covet_cluster": CLUSTER, "$shard": ".*"}


@dataclasses.dataclass
class Watched:
    """A shard of three, an operator, and a Prometheus that scrapes both."""

    shard: Shard
    prometheus: Prometheus


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def watched(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    """Real agents at the port for scrapers, a real operator on an API server of this process."""
    folder = tmp_path_factory.mktemp("monitoring")
    shard = Shard(3)
    shard.spec = dataclasses.replace(shard.spec, namespace="ns")
    targets = []
    for agent in shard.agents:
        agent.metrics_port = free_port(PORTS, agent.peer.address)
        targets.append(f"{agent.peer.address}:{agent.metrics_port}")
    server = ApiServer()
    await server.start()
    site = Site(server, folder)
    site.define()
    # A pause is as far as a cluster gets whose pods nobody starts.
    site.declare(CLUSTER, shards={"count": 1, "instances": 3}, maintenance={"paused": True})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "RESCAN_EVERY", 0.5)
        operator = (await site.start()).operator
        jobs = [job("agents", targets), job("operator", [f"127.0.0.1:{operator.port}"])]
        try:
            async with shard, Prometheus(folder, free_port(PORTS + 500), jobs, [ROOT / alerts.FILE]) as prometheus:
                await shard.birth()
                yield Watched(shard, prometheus)
        finally:
            await site.close()
            await server.stop()
            for number in (signal.SIGTERM, signal.SIGINT):  # the operator took them for itself
                asyncio.get_running_loop().remove_signal_handler(number)


async def test_every_panel_has_data(watched: Watched) -> None:
    """After a switchover no query of a dashboard comes back empty."""
    shard, prometheus = watched.shard, watched.prometheus
    await prometheus.await_value("sum(covet_agent_primary)", 1, LIMIT)
    await prometheus.await_value("count(covet_failovers_total{reason='Switchover'})", 3, LIMIT)
    await shard.switch_over(shard.followers[0])
    await prometheus.await_value("sum(covet_failovers_total{reason='Switchover'}) >= bool 1", 1, LIMIT)
    wanted = [query for board in dashboards.DASHBOARDS.values() for query in dashboards.expressions(board)]
    assert len(wanted) > 40
    assert [] == await prometheus.without_data(wanted, CHOSEN, LIMIT)


async def test_alerts_are_evaluated_and_quiet_in_a_healthy_shard(watched: Watched) -> None:
    """No rule fails; labels of operator and agents fit; certificates that live for a day are about to be told."""
    shard, prometheus = watched.shard, watched.prometheus
    await shard.wait_serving()
    await prometheus.await_value("sum by (shard) (covet_agent_state{state=~'Leader|Follower'})", 3, LIMIT)
    await prometheus.await_value("sum(covet_agent_streaming)", 2, LIMIT)
    await prometheus.await_value("max by (namespace, covet_cluster, shard) (covet_shard_instances)", 3, LIMIT)

    healthy = {alert.name: "ok" for alert in alerts.ALERTS}
    wanted = dict.fromkeys(AT_REST, "inactive") | {"CovetCertificateExpiring": "pending"}
    deadline = time.monotonic() + LIMIT
    while True:
        rules = {rule["name"]: rule for rule in await prometheus.rules()}
        states = {name: rules[name]["state"] for name in wanted if name in rules}
        health = {name: rule["health"] for name, rule in rules.items()}
        if (wanted, healthy) == (states, health) or time.monotonic() > deadline:
            break
        await asyncio.sleep(0.5)
    assert wanted == states
    assert healthy == health


async def test_what_the_runbooks_ask_the_server_it_answers(watched: Watched) -> None:
    """Every statement on those pages runs on a primary."""
    shard = watched.shard
    statements = [
        statement
        for page in sorted((ROOT / alerts.RUNBOOKS).glob("*.md"))
        for statement in re.findall(r'c(?: \\\n)? *"(SELECT .+?)"', page.read_text())
    ]
    assert len(statements) >= 5
    leader = await shard.find_leader()
    assert MemberState.LEADER is (await shard.status(leader)).state
    for statement in statements:
        await asyncio.to_thread(leader.superuser, statement)
