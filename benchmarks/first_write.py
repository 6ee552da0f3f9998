"""Seconds from `kubectl apply` to a serving cluster: 2 shards x 3 instances, images already on the nodes.

Three moments of each run: every condition says Ready, a client's first acknowledged write, and all rows read back
from the replicas. The client is a Job that starts once the cluster is Ready, so the start of its pod counts too.

    python -m benchmarks.first_write [RUNS]
"""

import json
import pathlib
import statistics
import sys
import time

from benchmarks import machine
from tests.e2e import installation, target
from tools import demo

RESULT = pathlib.Path(__file__).parent / "results" / "first-write.json"
GATE_SECONDS = 60


def measure(kubernetes: installation.Installation, number: int) -> dict[str, float]:
    """Create one cluster in a namespace of its own, write to it, delete it; return the seconds of each moment."""
    namespace = f"first-write-{number}"
    kubernetes.ensure_namespace(namespace)
    applied = time.time()
    demo.apply_cluster(kubernetes, namespace)
    ready = time.time() - applied
    events = demo.run_client(kubernetes, namespace)
    first = min(event["at"] for event in events if event["event"] == "written") - applied
    read = max(event["at"] for event in events if event["event"] == "read") - applied
    kubernetes.kubectl("delete", "namespace", namespace, "--wait", timeout=180)
    return {"ready": round(ready, 2), "first_write": round(first, 2), "read_back": round(read, 2)}


def main() -> None:
    """Run, print a table, write the JSON."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    place = target.choose("bench")
    place.start()
    place.load(installation.build_images())
    kubernetes = installation.Installation(place)
    kubernetes.install()
    results = [measure(kubernetes, number) for number in range(runs)]
    if place.kind is not target.Kind.GIVEN:
        place.stop()
    print(f"{'run':>4}{'ready':>9}{'first write':>13}{'read back':>11}")
    for number, result in enumerate(results, start=1):
        print(f"{number:>4}{result['ready']:>9.1f}{result['first_write']:>13.1f}{result['read_back']:>11.1f}")
    medians = {name: statistics.median(result[name] for result in results) for name in results[0]}
    print(f"median first write {medians['first_write']:.1f} s, gate {GATE_SECONDS} s")
    document = {"machine": machine.describe(), "gate_seconds": GATE_SECONDS, "median": medians, "runs": results}
    RESULT.write_text(json.dumps(document, indent=1) + "\n")
    sys.exit(0 if medians["first_write"] <= GATE_SECONDS else 1)


if __name__ == "__main__":
    main()
