"""What a user may ask of the routers."""

import enum
from typing import Annotated, Final

import pydantic

from covet.api import model, pods

MAX_ROUTERS: Final = 32


class PoolMode(enum.StrEnum):
    """How long a client keeps a server connection."""

    TRANSACTION = "Transaction"
    SESSION = "Session"


class Pool(model.Model):
    """Connections of a router to the databases: one pool for each login, database, shard and port."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            model.rule(
                "!has(self.min) || self.min <= (has(self.max) ? self.max : 20)",
                "pool.min must be at most pool.max (default 20): it says how many stay open of those that may be",
            ),
        ),
    )

    mode: PoolMode | None = None
    """Transaction (default): a client has a server connection for a transaction. Session: until it goes."""
    min: Annotated[int | None, pydantic.Field(ge=0, le=10000)] = None
    """Connections of a pool that stay open although nobody uses them. Default 0."""
    max: Annotated[int | None, pydantic.Field(ge=1, le=10000)] = None
    """Most connections of a pool, in each router; a server takes max_connections in all. Default 20."""
    wait_seconds: Annotated[int | None, pydantic.Field(ge=1, le=3600)] = None
    """How long a client waits for a connection, in seconds. Default 30."""
    hold_seconds: Annotated[int | None, pydantic.Field(ge=0, le=3600)] = None
    """How long a statement waits for a primary while there is none, in seconds. Default 5."""
    idle_seconds: Annotated[int | None, pydantic.Field(ge=1, le=86400)] = None
    """A connection above min that nobody used for so long is closed, in seconds. Default 600."""
    lifetime_seconds: Annotated[int | None, pydantic.Field(ge=1, le=604800)] = None
    """A connection is closed after so long, between transactions, in seconds. Default 3600."""


class Router(model.Model):
    """The routers that clients connect to."""

    replicas: Annotated[int | None, pydantic.Field(ge=0, le=MAX_ROUTERS)] = None
    """How many routers run. Default 0: none, and clients connect to the Services of the shards. A cluster of several
    shards has none yet, whatever is asked for."""
    pool: Pool | None = None
    """Connections to the databases."""
    resources: pods.Resources | None = None
    """Processor and memory of each router."""
    scheduling: pods.Scheduling | None = None
    """Which nodes the routers may run on; they spread over them as far as there are enough."""
