"""The object itself: `CovetCluster`, read from what the API server hands out."""

from collections.abc import Mapping
from typing import Any

import pydantic

from covet.api import model
from covet.api.problems import Problem
from covet.api.spec import ClusterSpec
from covet.api.status import ClusterStatus
from covet.core import errors, names

NAME = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
NAME_REASON = (
    f"metadata.name must be at most {names.MAX_CLUSTER_NAME} characters: names of pods and their labels are made of it"
)
NAME_SHAPE_REASON = (
    "metadata.name must be lower case letters, digits and '-', begin with a letter and end with a letter or digit:"
    " it names Services"
)
SIZE = (
    "self.spec.storage.size == oldSelf.spec.storage.size || !has(oldSelf.status) || !has(oldSelf.status.effective) ||"
    " quantity(self.spec.storage.size).compareTo(quantity(oldSelf.status.effective.storage.size)) >= 0"
)
"""Against what the volumes have, not against what was written last: a size that was refused may be taken back."""
SIZE_REASON = (
    "spec.storage.size must be at least what the volumes have, see status.effective.storage.size: a volume never"
    " shrinks; make a new cluster and move the data"
)


class Metadata(model.Model):
    """What Covet reads of the object's metadata."""

    name: str
    namespace: str
    uid: str
    generation: int = 1


class CovetCluster(model.Model):
    """All shards of one logical database: a sharded, replicated SQL database."""

    model_config = pydantic.ConfigDict(
        json_schema_extra=model.rules(
            model.rule(f"size(self.metadata.name) <= {names.MAX_CLUSTER_NAME}", NAME_REASON),
            model.rule(f"self.metadata.name.matches('{NAME}')", NAME_SHAPE_REASON),
            model.rule(SIZE, SIZE_REASON),
        ),
    )

    metadata: Metadata
    spec: ClusterSpec
    """What the user wants."""
    status: ClusterStatus | None = None
    """What the operator saw last."""


def load(body: Mapping[str, Any]) -> CovetCluster:
    """Read an object as the API server returns it.

    A status is a cache: one that breaks the model counts as none, and never stands in the way of the spec.

    Raises:
        SpecError: the object breaks the schema (it was stored under another one); the message
            names every field at fault and its value.
    """
    try:
        loaded = CovetCluster.model_validate({name: part for name, part in body.items() if name != "status"})
    except pydantic.ValidationError as invalid:
        found = problems_of(invalid)
        raise errors.SpecError("SpecInvalid", "; ".join(str(problem) for problem in found)) from invalid
    return loaded.model_copy(update={"status": _remembered(body.get("status"))})


def _remembered(status: object) -> ClusterStatus | None:
    try:
        return None if status is None else ClusterStatus.model_validate(status)
    except pydantic.ValidationError:
        return None


def problems_of(invalid: pydantic.ValidationError) -> tuple[Problem, ...]:
    """Return what a failed validation found, one entry per field."""
    return tuple(
        Problem(
            field=".".join(str(part) for part in entry["loc"]),
            value=repr(entry["input"])[:200] if entry["type"] != "missing" else "",
            message=entry["msg"],
        )
        for entry in invalid.errors(include_url=False)
    )
