"""What an agent costs beside its server: memory and CPU of agent and voter, in a shard of three at rest.

PSS shares out what the processes have in common (interpreter, libraries); CPU is user and system time of
/proc over the window, while the operator asks for the status every ten seconds and a scraper for the metrics
every fifteen, as they do in a cluster.

    python -m benchmarks.agent_footprint [SECONDS]
"""

import asyncio
import dataclasses
import json
import os
import pathlib
import re
import sys
import time

import aiohttp

from benchmarks import machine
from tests.e2e.process.agents import Agent
from tests.e2e.process.authority import client_context
from tests.e2e.process.shard import Shard

RESULT = pathlib.Path(__file__).parent / "results" / "agent-footprint.json"
GATE_MIB = 100.0
GATE_CORE = 0.02
STATUS_SECONDS = 10
METRICS_SECONDS = 15
SETTLE_SECONDS = 5


@dataclasses.dataclass(frozen=True)
class Sample:
    """Memory in MiB and CPU time in seconds of one process."""

    pss: float
    rss: float
    cpu: float


def sample(pid: int) -> Sample:
    """Read a process's memory and CPU time."""
    memory = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    ticks = int(fields[11]) + int(fields[12])
    return Sample(kib(memory, "Pss") / 1024, kib(memory, "Rss") / 1024, ticks / os.sysconf("SC_CLK_TCK"))


def kib(text: str, name: str) -> int:
    """Return one figure of smaps_rollup, in KiB."""
    found = re.search(rf"^{name}:\s+(\d+) kB$", text, re.MULTILINE)
    if found is None:
        raise LookupError(f"smaps_rollup names no {name}")
    return int(found[1])


async def attend(shard: Shard, seconds: float) -> None:
    """Ask for status and metrics, as operator and scraper do, until the window is over."""
    end = time.monotonic() + seconds
    tls = client_context(shard.folder / "operator")
    async with aiohttp.ClientSession() as session:
        for second in range(int(seconds) + 1):
            for agent in shard.agents:
                if second % STATUS_SECONDS == 0:
                    await shard.status(agent)
                if second % METRICS_SECONDS == 0:
                    url = f"https://{agent.peer.address}:{agent.peer.agent_port}/metrics"
                    async with session.get(url, ssl=tls) as answer:
                        await answer.read()
            await asyncio.sleep(max(0.0, min(1.0, end - time.monotonic())))


def figures(agent: Agent, before: dict[str, Sample], seconds: float) -> dict[str, float | str]:
    """Return what one instance cost in the window."""
    after = samples(agent)
    cpu = {name: (after[name].cpu - before[name].cpu) / seconds for name in after}
    return {
        "instance": agent.peer.instance,
        "pss_mib": round(sum(s.pss for s in after.values()), 1),
        "agent_rss_mib": round(after["agent"].rss, 1),
        "voter_rss_mib": round(after["voter"].rss, 1),
        "agent_core": round(cpu["agent"], 4),
        "voter_core": round(cpu["voter"], 4),
        "core": round(sum(cpu.values()), 4),
    }


def samples(agent: Agent) -> dict[str, Sample]:
    """Read agent and voter of one instance."""
    return {"agent": sample(agent.pid), "voter": sample(agent.voter)}


async def measure(seconds: float) -> list[dict[str, float | str]]:
    """Bring up a shard of three, let it rest, and measure each instance."""
    async with Shard(3) as shard:
        await shard.birth()
        await asyncio.sleep(SETTLE_SECONDS)
        before = {agent.peer.instance: samples(agent) for agent in shard.agents}
        began = time.monotonic()
        await attend(shard, seconds)
        spent = time.monotonic() - began
        return [figures(agent, before[agent.peer.instance], spent) for agent in shard.agents]


def main() -> None:
    """Measure, print a table, write the JSON."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    described = machine.describe("aiohttp", "asyncpg", "msgspec", "prometheus-client")
    rows = asyncio.run(measure(seconds))
    print(f"{'instance':<12}{'PSS MiB':>9}{'agent RSS':>11}{'voter RSS':>11}{'agent':>9}{'voter':>9}{'core':>9}")
    for row in rows:
        print(
            f"{row['instance']:<12}{row['pss_mib']:>9}{row['agent_rss_mib']:>11}{row['voter_rss_mib']:>11}"
            f"{row['agent_core']:>9}{row['voter_core']:>9}{row['core']:>9}"
        )
    worst = {name: max(float(row[name]) for row in rows) for name in ("pss_mib", "core")}
    print(f"gates: {GATE_MIB:.0f} MiB PSS, {GATE_CORE:.2f} of a core")
    document = {
        "machine": described,
        "gates": {"pss_mib": GATE_MIB, "core": GATE_CORE},
        "seconds": seconds,
        "worst": worst,
        "instances": rows,
    }
    RESULT.write_text(json.dumps(document, indent=1) + "\n")
    sys.exit(0 if worst["pss_mib"] <= GATE_MIB and worst["core"] <= GATE_CORE else 1)


if __name__ == "__main__":
    main()
