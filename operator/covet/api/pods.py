"""What a user may ask of pods: processor, memory, and the nodes that they may run on.

Databases and routers are asked for in the same words.
"""

import enum
from typing import Annotated, Final

import pydantic

from covet.api import model, quantity

LABEL_KEY: Final = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$"
LABEL_VALUE: Final = r"^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"

Amount = (
    Annotated[int, pydantic.Field(ge=0)]
    | Annotated[str, pydantic.Field(pattern=quantity.PATTERN, max_length=quantity.MAX_LENGTH)]
)
"""A quantity, written as text or as a whole number."""


class TaintEffect(enum.StrEnum):
    """Effects of a node's taint, as Kubernetes names them."""

    NO_SCHEDULE = "NoSchedule"
    PREFER_NO_SCHEDULE = "PreferNoSchedule"
    NO_EXECUTE = "NoExecute"


class TolerationOperator(enum.StrEnum):
    """How a toleration compares with a taint."""

    EXISTS = "Exists"
    EQUAL = "Equal"


class Amounts(model.Model):
    """Processor and memory."""

    cpu: Amount | None = None
    """Cores, e.g. 2 or 500m."""
    memory: Amount | None = None
    """Bytes, e.g. 1Gi."""


class Resources(model.Model):
    """Processor and memory of each pod."""

    requests: Amounts | None = None
    """What is kept free for the pod. Default of a database: cpu 100m, memory 256Mi; of a router: cpu 50m,
    memory 64Mi."""
    limits: Amounts | None = None
    """What the pod may not exceed. Default: no limit."""


class Toleration(model.Model):
    """A taint of a node that the pods put up with."""

    key: Annotated[str | None, pydantic.Field(pattern=LABEL_KEY, max_length=317)] = None
    """Key of the taint; without it every key, and then the operator is Exists."""
    operator: TolerationOperator | None = None
    """Exists or Equal; default Equal."""
    value: Annotated[str | None, pydantic.Field(pattern=LABEL_VALUE, max_length=63)] = None
    """Value of the taint, for Equal."""
    effect: TaintEffect | None = None
    """Effect of the taint; without it every effect."""
    toleration_seconds: Annotated[int | None, pydantic.Field(ge=0, le=86400)] = None
    """How long a NoExecute taint is tolerated, in seconds; without it for ever."""


class Placement(model.Model):
    """Where the pods of one shard run."""

    zone: Annotated[str, pydantic.Field(pattern=LABEL_VALUE, min_length=1, max_length=63)]
    """Value of the node label topology.kubernetes.io/zone: no pod of the shard runs on a node without it."""


class Scheduling(model.Model):
    """Which nodes the pods may run on. Those of a shard, and the routers, spread over nodes by themselves."""

    node_selector: Annotated[
        dict[str, Annotated[str, pydantic.Field(pattern=LABEL_VALUE, max_length=63)]] | None,
        pydantic.Field(max_length=32),
    ] = None
    """Labels a node must have."""
    tolerations: Annotated[list[Toleration] | None, pydantic.Field(max_length=32, json_schema_extra=model.atomic())] = (
        None
    )
    """Taints that are put up with."""
    topology_key: Annotated[str | None, pydantic.Field(pattern=LABEL_KEY, min_length=1, max_length=317)] = None
    """Node label over whose values they spread. Default kubernetes.io/hostname."""
