"""Pieces of PromQL that alerts and dashboards share.

Every sum is taken over `max by` of the instance: a pod that two jobs scrape, or that came back under another
pod label, counts once.
"""

from typing import Final

from covet.core import metrics

CLUSTER: Final = ", ".join(metrics.CLUSTER_LABELS)
SHARD: Final = f"{CLUSTER}, shard"
INSTANCE: Final = ", ".join(metrics.INSTANCE_LABELS)


def select(row: metrics.Metric, matchers: str = "", suffix: str = "") -> str:
    """Return a selector of a row's series.

    Args:
        row: of the table.
        matchers: as `state="Leader"`; checked against the labels that the row has.
        suffix: `_bucket`, `_count` or `_sum` of a histogram.

    Raises:
        ValueError: a matcher names a label that the row has not.
    """
    known = {*metrics.labels_of(row), "job", "le"}
    for matcher in matchers.split(", ") if matchers else ():
        label = matcher.split("=")[0].rstrip("!")
        if label not in known:
            raise ValueError(f"{row.name} has no label {label}")
    return f"{row.name}{suffix}{{{matchers}}}" if matchers else f"{row.name}{suffix}"


def per_instance(row: metrics.Metric, matchers: str = "", *further: str) -> str:
    """Return the values of a gauge, one per instance."""
    return f"max by ({', '.join((INSTANCE, *further))}) ({select(row, matchers)})"


def per_shard(row: metrics.Metric, matchers: str = "") -> str:
    """Return the sum of a gauge over the instances of each shard."""
    return f"sum by ({SHARD}) ({per_instance(row, matchers)})"


def wanted(matchers: str = "") -> str:
    """Return how many instances each shard is to have."""
    return f"max by ({SHARD}) ({select(metrics.SHARD_INSTANCES, matchers)})"
