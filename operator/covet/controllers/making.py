"""Actions on the Kubernetes objects of a cluster."""

import asyncio
import dataclasses
import datetime as dt
import functools

from covet.controllers import freshness, outer, reading, remains
from covet.controllers.freshness import Means
from covet.controllers.observe import Seen
from covet.controllers.outer import Outer
from covet.core import names
from covet.core.errors import ConflictError, RefusedError
from covet.kube import resources
from covet.kube.resources import Manifest
from covet.manifests import authorities, certificates, configs, crosscertificates, passwords, secrets
from covet.manifests.certificates import Authority
from covet.planner import actions as act
from covet.planner import drift, record, rotation, routers
from covet.planner.facts import ObjectKey


async def record_identity(means: Means, seen: Seen, action: act.RecordIdentity) -> None:
    """Create the birth record, if nothing of a cluster of this name is there; it must not exist."""
    await freshness.still_wanted(means, seen)
    found = await remains.look(means.kube, seen.ref)
    if found is not None:
        raise (RefusedError if found.stalls else ConflictError)(found.reason, found.message)
    volumes = action.identity.born.deletion.volumes
    await means.kube.create(configs.identity(seen.ref, {record.KEY: record.encode(action.identity)}, volumes))


async def adopt_identity(means: Means, seen: Seen, action: act.AdoptIdentity) -> None:
    """Make the record of an earlier object this one's, unless it changed meanwhile or goes with that object."""
    await freshness.still_wanted(means, seen)
    name = names.identity(seen.ref.name)
    found = await means.kube.get(resources.CONFIG_MAP, seen.ref.namespace, name)
    if found is None or "deletionTimestamp" in found["metadata"] or found["metadata"].get("ownerReferences"):
        raise ConflictError("IdentityGone", f"ConfigMap {name} goes with the cluster that it was made for.")
    kept = record.decode((found.get("data") or {}).get(record.KEY, ""))
    if (kept.cluster_uid, kept.owner_uid) != (action.cluster_uid, action.owner_uid):
        raise ConflictError("IdentityChanged", f"ConfigMap {name} was changed meanwhile.")
    adopted = dataclasses.replace(kept, adopted_by=seen.ref.uid)
    await means.kube.replace({**found, "data": {**found["data"], record.KEY: record.encode(adopted)}})


async def create_authority(means: Means, seen: Seen, _action: act.CreateAuthority) -> None:
    """Make the certificate authority."""
    made = await asyncio.to_thread(certificates.make_authority, seen.ref.name, means.clock.wall(), means.lifetimes)
    await means.kube.create(secrets.authority(seen.ref, made, freshness.born(seen).deletion.volumes))


async def issue_certificates(means: Means, seen: Seen, action: act.IssueCertificates) -> None:
    """Issue certificates and write them."""
    authority, trust = await _authority(means, seen)
    shards = {instance.name: shard.name for shard in seen.facts.shards for instance in shard.instances}
    now = means.clock.wall()
    asked = await _outer(means, seen, now)

    def issue() -> list[Manifest]:
        made: list[Manifest] = []
        for subject in action.subjects:
            if subject == names.OPERATOR_COMMON_NAME:
                issued = certificates.issue_operator(authority, now, means.lifetimes, trust)
                made.append(secrets.operator_certificate(seen.ref, issued))
                continue
            addresses = certificates.addresses(seen.ref.name, shards.get(subject), subject, seen.ref.namespace)
            issued = certificates.issue_instance(authority, subject, addresses, now, means.lifetimes, trust)
            above = _above(means, seen, subject, (asked, authority.certificate, addresses, now))
            issued = dataclasses.replace(issued, certificate=issued.certificate + above)
            if subject == names.ROUTER_COMMON_NAME:
                made.append(secrets.router_certificate(seen.ref, issued))
            else:
                made.append(secrets.instance_certificate(seen.ref, shards[subject], subject, issued))
        return made

    await freshness.bounded(
        functools.partial(means.kube.apply, manifest) for manifest in await asyncio.to_thread(issue)
    )


async def _outer(means: Means, seen: Seen, now: dt.datetime) -> Outer | None:
    """Return the outer authority as it is now, with its key; None if none is asked for."""
    name = seen.facts.outer.secret if seen.facts.outer is not None else None
    notice = crosscertificates.notice(means.lifetimes)
    terms = outer.Terms(outer.addresses(seen.ref, seen.facts.shards), now, notice)
    return await outer.look(means.kube, seen.ref, name, terms)


def _above(
    means: Means, seen: Seen, instance: str, given: tuple[Outer | None, str, tuple[str, ...], dt.datetime]
) -> str:
    """Return what an instance shows after its certificate: how its authority leads to the outer one, if it is to."""
    asked, authority, addresses, now = given
    if asked is None:
        return ""
    found = seen.objects.get((resources.SECRET.kind, seen.ref.namespace, names.server_secret(seen.ref.name, instance)))
    text = reading.secret_values(found).get(secrets.CERTIFICATE, "") if found is not None else ""
    return crosscertificates.above(text, authority, asked.authority, addresses, now, means.lifetimes)


async def create_user(means: Means, seen: Seen, _action: act.CreateUser) -> None:
    """Make the Secret of the database's owner."""
    _, trust = await _authority(means, seen)
    born = freshness.born(seen)
    await means.kube.create(
        secrets.user(
            seen.ref,
            database=born.database.name,
            username=born.database.owner,
            login=rotation.current(freshness.identity_of(seen)),
            password=passwords.generate(),
            trust=trust,
            shards=[name for name, _ in freshness.identity_of(seen).layout],
            volumes=born.deletion.volumes,
            routers=routers.address(seen.ref.name, seen.ref.namespace) if routers.leads(seen.facts) else "",
        )
    )


async def apply_objects(means: Means, seen: Seen, action: act.ApplyObjects | act.RepeatObjects) -> None:
    """Apply what is stale: what makes pods last, for they need the rest. What others had changed is told."""
    makers = {resources.STATEFUL_SET.kind, resources.DEPLOYMENT.kind}
    first = [key for key in action.keys if key[0] not in makers]
    last = [key for key in action.keys if key[0] in makers]
    done: set[ObjectKey] = set()
    try:
        await freshness.bounded(functools.partial(_apply, means, seen, key, done) for key in first)
        await freshness.bounded(functools.partial(_apply, means, seen, key, done) for key in last)
    finally:
        means.news.extend(drift.news({key: found for key, found in seen.facts.drifted.items() if key in done}))


async def _apply(means: Means, seen: Seen, key: ObjectKey, done: set[ObjectKey]) -> None:
    entry = seen.wanted[key]
    manifest = entry.manifest
    if entry.metadata_only:
        patch = {"metadata": {field: manifest["metadata"][field] for field in ("labels", "ownerReferences")}}
        if "data" in manifest:
            patch["data"] = manifest["data"]
        answer = await means.kube.merge(resources.of(manifest), key[1], key[2], patch)
    else:
        answer = await _put_back(means, _guarded(manifest, seen.objects.get(key)))
    means.applied.remember(manifest, answer, means.clock.monotonic())
    done.add(key)


async def _put_back(means: Means, manifest: Manifest) -> Manifest:
    """Apply a manifest, also over a port of a Service that somebody changed.

    The number of a port is what tells it apart. One that was changed is another one to the API server, which stands in
    the way of ours by its name, for ever: then the list is written as a whole before.
    """
    try:
        return await means.kube.apply(manifest)
    except RefusedError as error:
        if error.reason != "Invalid" or manifest["kind"] != resources.SERVICE.kind:
            raise
    metadata = manifest["metadata"]
    ports = {"spec": {"ports": manifest["spec"]["ports"]}}
    await means.kube.merge(resources.SERVICE, metadata["namespace"], metadata["name"], ports)
    return await means.kube.apply(manifest)


def _guarded(manifest: Manifest, observed: Manifest | None) -> Manifest:
    """Return what to send: an EndpointSlice only over the version that was seen, for agents write it too."""
    if observed is None or manifest["kind"] != resources.ENDPOINT_SLICE.kind:
        return manifest
    version = observed["metadata"]["resourceVersion"]
    return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": version}}


async def label_roles(means: Means, seen: Seen, action: act.LabelRoles) -> None:
    """Write role labels."""
    await freshness.bounded(
        functools.partial(
            means.kube.merge,
            resources.POD,
            seen.ref.namespace,
            pod,
            {"metadata": {"labels": {names.LABEL_ROLE: role}}},
        )
        for pod, role in action.roles
    )


async def _authority(means: Means, seen: Seen) -> tuple[Authority, str]:
    """Return the authority that signs now, and all that are trusted."""
    name = names.authority_secret(seen.ref.name)
    found = await means.kube.get(resources.SECRET, seen.ref.namespace, name)
    if found is None:
        raise ConflictError("AuthorityGone", f"Secret {name} is gone.")
    try:
        values = secrets.values_of(found)
        return Authority(values[secrets.CERTIFICATE], values[secrets.KEY]), authorities.bundle(values)
    except (KeyError, ValueError, TypeError) as error:
        raise RefusedError("AuthorityInvalid", f"Secret {name} holds no authority: {error}.") from error
