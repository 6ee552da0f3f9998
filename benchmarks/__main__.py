"""Run every benchmark, one after the other; each writes its JSON into `benchmarks/results`.

python -m benchmarks [NAME ...]
"""

import subprocess
import sys

BENCHES = ("ring", "agent_footprint", "first_write", "operator_idle", "fleet", "demo")


def main() -> None:
    """Run the named benches, or all; exit with the number of those that missed their gate."""
    chosen = sys.argv[1:] or BENCHES
    unknown = sorted(set(chosen) - set(BENCHES))
    if unknown:
        sys.exit(f"no such bench: {', '.join(unknown)}; there are {', '.join(BENCHES)}")
    missed = 0
    for name in chosen:
        print(f"\n=== {name}", flush=True)
        missed += subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode != 0
    sys.exit(missed)


if __name__ == "__main__":
    main()
