"""How birth and cloning begin: a new member on a volume that holds no database."""

import asyncio
import uuid

from covet.agent import running
from covet.agent.instance import Instance
from covet.agent.volume import Identity
from covet.core import names


async def begin(inst: Instance, origin: str) -> Identity:
    """Note a new member of this volume, not born yet; what an unfinished beginning left is wiped. Under `inst.acting`.

    Args:
        inst: the agent.
        origin: how its database comes: `BOOTSTRAP` or `CLONE` of `covet.agent.volume`.

    Raises:
        VolumeError: the file system refused.
    """
    await running.stop(inst)
    if inst.identity is not None:
        await asyncio.to_thread(inst.volume.wipe_unborn, inst.identity)
        inst.identity, inst.sworn = None, None
    spec, instance = inst.spec, inst.settings.instance
    incarnation = str(uuid.uuid4())
    member = names.member(spec.shard, inst.letters(instance), incarnation)
    identity = Identity(incarnation, member, instance, spec.cluster_uid, spec.shard_uid, origin)
    await inst.remember_identity(identity)
    return identity
