"""The map as it is published: made from the birth record, so that a lost or older one is written again, byte for byte.

Slots go to shards as in a new cluster, at whatever epoch: the shards only change while there are no rows to be moved.
"""

import json

import covet_hasher

from covet.controllers import freshness
from covet.controllers.freshness import Means
from covet.controllers.observe import Seen
from covet.core import names
from covet.core.errors import ConflictError, RefusedError
from covet.kube import resources
from covet.kube.resources import Manifest
from covet.manifests import configs
from covet.planner import actions as act
from covet.planner.record import Identity


async def create_map(means: Means, seen: Seen, _action: act.CreateMap) -> None:
    """Publish the newest map that was decided, in place of nothing, of an older one or of a damaged one."""
    await freshness.still_wanted(means, seen)
    _, known = await freshness.read_identity(means, seen)
    ring = made(known)
    manifest = configs.ring_map(seen.ref, ring.to_json(), known.born.deletion.volumes)
    found = await means.kube.get(resources.CONFIG_MAP, seen.ref.namespace, names.ring_map(seen.ref.name))
    if found is None:
        await means.kube.create(manifest)
        return
    standing = _read(found)
    if standing is not None and standing.cluster != known.cluster_uid:
        raise RefusedError(
            "MapForeign",
            f"ConfigMap {names.ring_map(seen.ref.name)} is the map of an earlier cluster. Delete it if that"
            " cluster's data may go.",
        )
    if standing is not None and standing.epoch >= ring.epoch:
        raise ConflictError("MapChanged", f"Epoch {standing.epoch} is published already.")
    await means.kube.replace({**found, "data": manifest["data"]})


def made(identity: Identity) -> covet_hasher.Map:
    """Return the newest map that was decided.

    Raises:
        RefusedError: no map can be made of these shards.
    """
    try:
        ring = covet_hasher.Map.initial(identity.cluster_uid, list(identity.mapped))
        document = {**json.loads(ring.to_json()), "epoch": identity.epoch}
        del document["crc32c"]
        return covet_hasher.Map.seal(json.dumps(document))
    except covet_hasher.RingError as error:
        raise RefusedError("WeightsUnusable", f"No map can be made of the shards: {error}.") from error


def _read(found: Manifest) -> covet_hasher.Map | None:
    """Return a published map; None for a damaged one, which belongs to nobody."""
    try:
        return covet_hasher.Map.from_json((found.get("data") or {}).get(configs.MAP_KEY, ""))
    except covet_hasher.RingError:
        return None
