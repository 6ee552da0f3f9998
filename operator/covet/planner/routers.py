"""What follows from the state of the routers: who leads clients, what is waited for, what is wrong. Pure.

Nothing about shards waits for a router, and no router for anything but its own objects. Clients are led to the routers
once one of them works, and from then on for as long as any are asked for.
"""

import datetime as dt
from collections.abc import Iterator
from typing import Final

from covet.core import names
from covet.planner.facts import ClusterFacts, Finding
from covet.planner.plan import PendingChange
from covet.planner.routerfacts import RouterPod

STARTING: Final = "RoutersStarting"
IMAGE_MISSING: Final = "RouterImageMissing"
SHARDS_UNROUTED: Final = "ShardsUnrouted"
MOST_SHARDS: Final = 1
"""Routers do not route by key yet."""
_WHY: Final = {
    IMAGE_MISSING: (
        "The operator has no image of the router, so clients connect to the Services of the shards: set the Helm value"
        " images.router, or spec.router.replicas to 0."
    ),
    SHARDS_UNROUTED: (
        "Routers do not route by key yet, so a cluster of several shards has none, and clients connect to the Services"
        " of the shards: set spec.router.replicas to 0, or wait for it."
    ),
}
MOUNTED_SECONDS: Final = 120.0
"""The kubelet brings a changed Secret into pods in that time, and a router reads it two seconds later."""


def address(cluster: str, namespace: str) -> str:
    """Return the DNS name that clients find the routers by."""
    return f"{names.router(cluster)}.{namespace}.svc"


def leads(facts: ClusterFacts) -> bool:
    """Return whether clients are told to connect to the routers.

    While nothing of the cluster serves yet it makes no difference, and the Secret need not change later. A cluster that
    has served without routers goes on so until one is ready.
    """
    if not facts.routers.replicas:
        return False
    if facts.credentials is not None and facts.credentials.host == address(facts.name, facts.namespace):
        return True
    newborn = facts.identity is None or not any(known.opened for known in facts.identity.shards)
    return newborn or any(pod.ready for pod in _living(facts))


def ready(facts: ClusterFacts) -> int:
    """Return how many routers take clients and are of the newest template."""
    return sum(1 for pod in _living(facts) if pod.ready and pod.current)


def waiting(facts: ClusterFacts) -> str | None:
    """Return what is waited for as a sentence, None if as many routers work as should."""
    wanted, present = facts.routers.replicas, ready(facts)
    if not wanted or present >= wanted:
        return None
    former = sum(1 for pod in _living(facts) if pod.ready and not pod.current)
    beside = f" beside {former} of the former template" if former else ""
    return f"{present} of {wanted} routers take clients{beside}."


def findings(facts: ClusterFacts) -> Iterator[Finding]:
    """Yield why routers cannot run."""
    for pod in _living(facts):
        if facts.routers.replicas and pod.reason:
            yield Finding(pod.reason, pod.message, subject=f"Pod/{pod.name}")


def missing(image: str, shards: int) -> str:
    """Return why a cluster has no routers though some are asked for, empty if it has.

    Args:
        image: of routers, empty if the operator has none.
        shards: how many there are.
    """
    if shards > MOST_SHARDS:
        return SHARDS_UNROUTED
    return "" if image else IMAGE_MISSING


def pending(facts: ClusterFacts) -> Iterator[PendingChange]:
    """Yield why no routers are made though some are asked for."""
    if facts.routers.missing:
        yield PendingChange("spec.router.replicas", facts.routers.missing, _WHY[facts.routers.missing])


def unread_verifier(facts: ClusterFacts, login: str) -> str | None:
    """Return why clients cannot log in at the routers as a role yet, as a sentence; None if they can."""
    found = facts.routers
    if not found.replicas or (login in found.logins and found.seconds >= MOUNTED_SECONDS):
        return None
    return f"Routers are given the verifier of {login}; within {MOUNTED_SECONDS:.0f} s all of them have read it."


def unread_certificate(facts: ClusterFacts, now: dt.datetime) -> bool:
    """Return whether a router may work with another certificate than the one of their Secret."""
    found = facts.certificates.get(names.ROUTER_COMMON_NAME)
    if not facts.routers.replicas:
        return False
    if found is None or found.due or found.life is None:
        return True
    return (now - (found.ends - found.life)).total_seconds() < MOUNTED_SECONDS


def _living(facts: ClusterFacts) -> tuple[RouterPod, ...]:
    return tuple(pod for pod in facts.routers.pods if not pod.deleting)
