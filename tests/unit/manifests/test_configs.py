"""ConfigMaps carry their text byte for byte, and stay as long as the data they belong to."""

import pytest

from covet.api import spec
from covet.core import names
from covet.manifests import configs, metadata
from tests.unit.manifests import samples

TEXT = '{"format": 1,\n "snow": "\u2603"}'


def test_texts_are_published_byte_for_byte() -> None:
    """A digest of the published text is a digest of the stored one."""
    keep = spec.VolumeFate.KEEP
    assert {"spec.json": TEXT} == configs.shard_spec(samples.CLUSTER, "s0", TEXT)["data"]
    assert {"map.json": TEXT} == configs.ring_map(samples.CLUSTER, TEXT, keep)["data"]
    assert {"ca.crt": TEXT} == configs.trust(samples.CLUSTER, TEXT)["data"]
    assert {"a": "b"} == configs.identity(samples.CLUSTER, {"a": "b"}, keep)["data"]


def test_names_are_those_that_others_look_for() -> None:
    """Each name stands in one module."""
    keep = spec.VolumeFate.KEEP
    assert names.shard_config("shop", "s0") == configs.shard_spec(samples.CLUSTER, "s0", TEXT)["metadata"]["name"]
    assert names.ring_map("shop") == configs.ring_map(samples.CLUSTER, TEXT, keep)["metadata"]["name"]
    assert names.trust_config("shop") == configs.trust(samples.CLUSTER, TEXT)["metadata"]["name"]
    assert names.identity("shop") == configs.identity(samples.CLUSTER, {}, keep)["metadata"]["name"]


def test_identity_and_map_outlive_the_object_with_the_volumes() -> None:
    """Kept volumes without the record of their birth could be initialised a second time."""
    keep = spec.VolumeFate.KEEP
    assert "ownerReferences" not in configs.identity(samples.CLUSTER, {}, keep)["metadata"]
    assert "ownerReferences" not in configs.ring_map(samples.CLUSTER, TEXT, keep)["metadata"]


def test_identity_and_map_go_where_the_volumes_go() -> None:
    """A record of volumes that are gone would bar their name for ever."""
    delete = spec.VolumeFate.DELETE
    owners = [metadata.owner(samples.CLUSTER)]
    assert owners == configs.identity(samples.CLUSTER, {}, delete)["metadata"]["ownerReferences"]
    assert owners == configs.ring_map(samples.CLUSTER, TEXT, delete)["metadata"]["ownerReferences"]


@pytest.mark.parametrize("made", [configs.shard_spec(samples.CLUSTER, "s0", ""), configs.trust(samples.CLUSTER, "")])
def test_what_can_be_made_again_goes_with_the_object(made: dict[str, object]) -> None:
    """Bootstrap spec and trust are written anew at any time."""
    meta = made["metadata"]
    assert isinstance(meta, dict)
    assert [metadata.owner(samples.CLUSTER)] == meta["ownerReferences"]
