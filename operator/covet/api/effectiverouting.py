"""What is asked of routers, with every default filled in."""

from typing import Final

from covet.api import effectivepods, model, pods, routing
from covet.api.effectivepods import EffectiveResources, EffectiveScheduling

REPLICAS: Final = 0
POOL: Final = 20
CPU: Final = "50m"
MEMORY: Final = "64Mi"
TOPOLOGY_KEY: Final = "kubernetes.io/hostname"


class EffectivePool(model.Model):
    """Connections of a router to the databases; times in seconds."""

    mode: routing.PoolMode
    min: int
    max: int
    wait_seconds: int
    hold_seconds: int
    idle_seconds: int
    lifetime_seconds: int


class EffectiveRouter(model.Model):
    """The routers that clients connect to."""

    replicas: int
    pool: EffectivePool
    resources: EffectiveResources
    scheduling: EffectiveScheduling


def router(wanted: routing.Router) -> EffectiveRouter:
    """Fill every gap of what is asked of the routers. Clusters of before there were any have the same defaults."""
    return EffectiveRouter(
        replicas=REPLICAS if wanted.replicas is None else wanted.replicas,
        pool=_pool(wanted.pool or routing.Pool()),
        resources=effectivepods.resources(wanted.resources or pods.Resources(), CPU, MEMORY),
        scheduling=effectivepods.scheduling(wanted.scheduling or pods.Scheduling(), TOPOLOGY_KEY),
    )


def _pool(wanted: routing.Pool) -> EffectivePool:
    return EffectivePool(
        mode=wanted.mode or routing.PoolMode.TRANSACTION,
        min=wanted.min or 0,
        max=wanted.max or POOL,
        wait_seconds=wanted.wait_seconds or 30,
        hold_seconds=5 if wanted.hold_seconds is None else wanted.hold_seconds,
        idle_seconds=wanted.idle_seconds or 600,
        lifetime_seconds=wanted.lifetime_seconds or 3600,
    )


DEFAULT: Final = router(routing.Router())
"""Of a spec, or a record, that says nothing of routers."""
