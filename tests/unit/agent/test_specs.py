"""Which spec an agent believes when its mount and its volume disagree."""

import dataclasses

import pytest

from covet.agent import watching
from covet.core.errors import SpecError
from covet.peers import codec
from tests.unit.agent.instances import SPEC


@pytest.mark.parametrize(("cached", "mounted", "believed"), [(3, 4, 4), (5, 4, 5), (None, 4, 4), (5, None, 5)])
def test_the_newer_generation_counts(cached: int | None, mounted: int | None, believed: int) -> None:
    """Of two specs of the same shard the newer one is believed, wherever it lies."""
    kept = dataclasses.replace(SPEC, generation=cached) if cached is not None else None
    text = codec.encode(dataclasses.replace(SPEC, generation=mounted)) if mounted is not None else None
    assert believed == watching.read_spec(kept, text).generation


@pytest.mark.parametrize("change", [{"shard_uid": "u2"}, {"cluster_uid": "c2"}])
def test_a_pod_is_what_its_mount_says(change: dict[str, str]) -> None:
    """A volume with the spec of another shard does not make this pod an instance of it, however new that spec is."""
    mounted = dataclasses.replace(SPEC, generation=1)
    kept = dataclasses.replace(SPEC, generation=9, **change)  # type: ignore[arg-type]  # fields by name
    assert mounted == watching.read_spec(kept, codec.encode(mounted))


def test_nothing_to_believe() -> None:
    """Without any spec the agent says so."""
    with pytest.raises(SpecError, match="No spec is mounted"):
        watching.read_spec(None, None)
