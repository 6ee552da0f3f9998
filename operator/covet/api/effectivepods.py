"""What is asked of pods, with every default filled in."""

from typing import Annotated

import pydantic

from covet.api import model, pods, quantity


class EffectiveAmounts(model.Model):
    """Processor and memory that are kept free."""

    cpu: str
    memory: str


class EffectiveLimits(model.Model):
    """Processor and memory that may not be exceeded; absent means no limit."""

    cpu: str | None = None
    memory: str | None = None


class EffectiveResources(model.Model):
    """Processor and memory of each pod."""

    requests: EffectiveAmounts
    limits: EffectiveLimits


class EffectiveScheduling(model.Model):
    """Which nodes the pods may run on."""

    node_selector: dict[str, str]
    tolerations: Annotated[tuple[pods.Toleration, ...], pydantic.Field(json_schema_extra=model.atomic())]
    topology_key: str


def resources(wanted: pods.Resources, cpu: str, memory: str) -> EffectiveResources:
    """Fill in requests of `cpu` and `memory`; a default never exceeds a limit that the user gave."""
    requests = wanted.requests or pods.Amounts()
    limits = wanted.limits or pods.Amounts()
    return EffectiveResources(
        requests=EffectiveAmounts(
            cpu=_request(requests.cpu, limits.cpu, cpu), memory=_request(requests.memory, limits.memory, memory)
        ),
        limits=EffectiveLimits(
            cpu=None if limits.cpu is None else str(limits.cpu),
            memory=None if limits.memory is None else str(limits.memory),
        ),
    )


def scheduling(wanted: pods.Scheduling, topology_key: str) -> EffectiveScheduling:
    """Fill in any node, no tolerations, and the label over whose values pods spread."""
    return EffectiveScheduling(
        node_selector=wanted.node_selector or {},
        tolerations=tuple(wanted.tolerations or ()),
        topology_key=wanted.topology_key or topology_key,
    )


def _request(given: str | int | None, limit: str | int | None, default: str) -> str:
    if given is not None:
        return str(given)
    return default if limit is None else str(quantity.smaller(default, limit))
