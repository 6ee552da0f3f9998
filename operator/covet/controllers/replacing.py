"""Actions on pods and claims: pods that leave or are restarted, volumes that grow or went with their node."""

import functools

from covet.controllers import freshness, stranding
from covet.controllers.freshness import Means
from covet.controllers.observe import Seen
from covet.core import events, names
from covet.core.errors import ConflictError
from covet.kube import resources
from covet.manifests import metadata
from covet.planner import actions as act
from covet.planner import restarts, rollout
from covet.planner.telling import News


async def restart_instance(means: Means, seen: Seen, action: act.RestartInstance) -> None:
    """Delete the pod of an instance, if that is still what its shard needs; its StatefulSet makes another.

    What serves is evicted, so that this and a drain together take no more than the disruption budget allows.

    Raises:
        ConflictError: the shard is not as it was seen, or the budget says no.
    """
    shard = next(found for found in seen.facts.shards if found.name == action.shard)
    pod = seen.objects.get((resources.POD.kind, seen.ref.namespace, names.pod(action.instance)))
    known = await freshness.fresh_record(means, seen, action.shard)
    wanted = rollout.wishes(seen.facts, known, seen.facts.wanted_specs[action.shard], means.clock.wall())
    now = restarts.judge(await freshness.asked_again(means, seen, shard), wanted)
    if pod is None or now.step != action:
        raise ConflictError("ShardChanged", f"{action.shard} is not as it was seen: {now.waits or 'looking again.'}")
    if action.serves:
        await means.kube.evict(pod)
    else:
        await means.kube.delete(pod)
    means.news.append(News(events.INSTANCE_RESTARTED, f"{action.instance} is restarted: {action.why}."))


async def end_pods(means: Means, seen: Seen, action: act.EndPods) -> None:
    """Delete pods of members that do not answer; each is gone from the API server once its containers have ended."""
    await freshness.still_wanted(means, seen)
    for name in action.instances:
        found = seen.objects.get((resources.POD.kind, seen.ref.namespace, names.pod(name)))
        if found is not None:
            await means.kube.delete(found)


async def remove_instances(means: Means, seen: Seen, action: act.RemoveInstances) -> None:
    """Delete the StatefulSets of instances that left; Kubernetes deletes their pods, and claims by their policy.

    Their certificates go with them: each Secret is given to its StatefulSet first, and whoever may delete no Secrets
    leaves no key behind.
    """
    await freshness.still_wanted(means, seen)
    for name in action.instances:
        found = seen.objects.get((resources.STATEFUL_SET.kind, seen.ref.namespace, name))
        secret = seen.objects.get((resources.SECRET.kind, seen.ref.namespace, names.instance_secret(name)))
        if found is not None and secret is not None:
            given = {"uid": secret["metadata"]["uid"], "ownerReferences": [metadata.owned_by(found)]}
            await means.kube.merge(
                resources.SECRET, seen.ref.namespace, names.instance_secret(name), {"metadata": given}
            )
        if found is not None:
            await means.kube.delete(found)


async def grow_volumes(means: Means, seen: Seen, action: act.GrowVolumes) -> None:
    """Have claims ask for more, each as it was seen; it can never be taken back.

    Raises:
        ConflictError: the cluster or a claim was changed meanwhile.
    """
    await freshness.still_wanted(means, seen)
    space = seen.ref.namespace
    patches = []
    for name in action.instances:
        found = seen.objects[resources.CLAIM.kind, space, names.data_volume_claim(name)]["metadata"]
        whose = {"uid": found["uid"], "resourceVersion": found["resourceVersion"]}
        patch = {"metadata": whose, "spec": {"resources": {"requests": {"storage": action.size}}}}
        patches.append(functools.partial(means.kube.merge, resources.CLAIM, space, found["name"], patch))
    await freshness.bounded(patches)
    message = f"The volumes of {', '.join(action.instances)} grow to {action.size}."
    means.news.append(News(events.VOLUMES_GROW, message))


async def replace_volume(means: Means, seen: Seen, action: act.ReplaceVolume) -> None:
    """Delete the claim of a volume that went with its node, then the pod that waits for it; both are made anew."""
    await freshness.still_wanted(means, seen)
    claim = await stranding.stranded_claim(means.kube, seen.ref.namespace, action.instance)
    pod = seen.objects.get((resources.POD.kind, seen.ref.namespace, names.pod(action.instance)))
    if claim is None or pod is None:
        raise ConflictError("VolumeBack", f"The volume of {action.instance} is no longer without its node.")
    await means.kube.delete(claim)
    await means.kube.delete(pod)
    message = (
        f"{action.shard}: the volume of {action.instance} went with its node; it gets another, and is copied anew."
    )
    means.news.append(News(events.INSTANCE_REPLACED, message, warning=True))
