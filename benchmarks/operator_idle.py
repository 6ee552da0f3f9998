"""What the operator costs while a cluster of 2 shards x 3 instances is left in peace: memory, processor, writes.

Two independent sources each: the operator's own metrics (process_*, covet_operator_api_writes_total) and, for
writes, the API server's audit log where the cluster keeps one. Renewals of the Lease are counted apart.

    python -m benchmarks.operator_idle [SECONDS]
"""

import datetime as dt
import json
import pathlib
import sys
import time

from benchmarks import machine
from tests.e2e import installation, target
from tests.e2e.cluster import shops

RESULT = pathlib.Path(__file__).parent / "results" / "operator-idle.json"
NAMESPACE = "operator-idle"
GATE_MIB = 150.0
GATE_CORE = 0.02
WRITES = {"create", "update", "patch", "delete"}


def scrape(kubernetes: installation.Installation) -> dict[str, float]:
    """Return the operator's metrics: name with labels -> value."""
    (pod,) = shops.operator_pods(kubernetes)
    path = f"/api/v1/namespaces/{installation.NAMESPACE}/pods/{pod['metadata']['name']}:8080/proxy/metrics"
    lines = kubernetes.kubectl("get", "--raw", path).splitlines()
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in lines if line and line[0] != "#"}


def counted_writes(metrics: dict[str, float]) -> dict[str, float]:
    """Return the operator's own count: of everything, and of the Lease."""
    rows = {name: value for name, value in metrics.items() if name.startswith("covet_operator_api_writes_total")}
    lease = sum(value for name, value in rows.items() if 'resource="leases"' in name)
    return {"writes": sum(rows.values()) - lease, "lease": lease}


def audited_writes(place: target.Target, since: float, until: float) -> int | None:
    """Return the operator's writes by the audit log, the Lease apart; None where there is no such log."""
    log = place.kubeconfig.resolve().parent / "logs" / "audit.log"
    if not log.exists():
        return None
    found = 0
    for line in log.read_text().splitlines():
        entry = json.loads(line)
        if not entry["user"]["username"].startswith(f"system:serviceaccount:{installation.NAMESPACE}:"):
            continue
        at = dt.datetime.fromisoformat(entry["requestReceivedTimestamp"]).timestamp()
        lease = entry.get("objectRef", {}).get("resource") == "leases"
        found += entry["verb"] in WRITES and not lease and since <= at <= until
    return found


def main() -> None:
    """Measure, print a table, write the JSON; exit with 1 if a gate was missed."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    place = target.choose("bench")
    place.start()
    place.load(installation.build_images())
    kubernetes = installation.Installation(place)
    kubernetes.install()
    kubernetes.ensure_namespace(NAMESPACE)
    shop = shops.Shop(kubernetes, NAMESPACE)
    shop.declare()
    shop.await_ready()
    time.sleep(10)
    began, before = time.time(), scrape(kubernetes)
    time.sleep(seconds)
    ended, after = time.time(), scrape(kubernetes)
    own_before, own_after = counted_writes(before), counted_writes(after)
    settled = 'covet_operator_rounds_total{outcome="Settled"}'
    figures: dict[str, float | int | None] = {
        "seconds": round(ended - began, 1),
        "resident_mib": round(after["process_resident_memory_bytes"] / 2**20, 1),
        "core": round((after["process_cpu_seconds_total"] - before["process_cpu_seconds_total"]) / (ended - began), 4),
        "rounds": after[settled] - before.get(settled, 0.0),
        "writes_counted": own_after["writes"] - own_before["writes"],
        "writes_audited": audited_writes(place, began, ended),
        "lease_renewals": own_after["lease"] - own_before["lease"],
    }
    kubernetes.kubectl("delete", "namespace", NAMESPACE, "--wait", timeout=180)
    if place.kind is not target.Kind.GIVEN:
        place.stop()
    for name, value in figures.items():
        print(f"{name:>16} {value}")
    print(f"gates: {GATE_MIB:.0f} MiB, {GATE_CORE:.0%} of a core, 0 writes")
    gates = {"resident_mib": GATE_MIB, "core": GATE_CORE, "writes": 0}
    RESULT.write_text(json.dumps({"machine": machine.describe(), "gates": gates, "figures": figures}, indent=1) + "\n")
    within = after["process_resident_memory_bytes"] <= GATE_MIB * 2**20 and (figures["core"] or 0.0) <= GATE_CORE
    sys.exit(0 if within and not figures["writes_counted"] and not figures["writes_audited"] else 1)


if __name__ == "__main__":
    main()
