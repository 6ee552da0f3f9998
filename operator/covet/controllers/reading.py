"""What the objects of a cluster say: pure readers, which never fail at what somebody wrote into them."""

import dataclasses
import datetime as dt
import json
from collections.abc import Mapping
from typing import Any, Final

import covet_hasher
import pydantic

from covet.api.effective import EffectiveSpec
from covet.api.status import ClusterStatus
from covet.controllers.outer import Outer
from covet.core import events, fingerprints, names
from covet.core.agentapi import ShardSpec
from covet.core.errors import CovetError, SpecError
from covet.kube.ledger import Key
from covet.kube.resources import Manifest
from covet.manifests import authorities, certificates, configs, crosscertificates, secrets
from covet.manifests.metadata import ClusterRef
from covet.peers import codec
from covet.planner import endpoints, layout, record
from covet.planner.authorityfacts import Authorities, Reign
from covet.planner.facts import (
    CertificateFacts,
    Credentials,
    Endpoint,
    Finding,
    MapFacts,
    ShardFacts,
    Volumes,
)
from covet.planner.record import Identity


def in_force(spec: EffectiveSpec | None, identity: Identity | None, volumes: Volumes) -> EffectiveSpec | None:
    """Return the spec to work by, None if neither the wanted one nor a record can be read."""
    if identity is None:
        return spec
    return layout.in_force(spec, identity.born, volumes) if spec is not None else identity.born


def birth_record(objects: Mapping[Key, Manifest], ref: ClusterRef) -> tuple[Identity | None, Finding | None]:
    """Read the birth record; one that cannot be used is a finding."""
    found = objects.get(("ConfigMap", ref.namespace, names.identity(ref.name)))
    if found is None:
        return None, None
    try:
        return record.decode((found.get("data") or {}).get(record.KEY, "")), None
    except SpecError as error:
        subject = f"ConfigMap/{names.identity(ref.name)}"
        return None, Finding(events.IDENTITY_UNREADABLE, error.message, stalls=True, subject=subject)


def secret_values(secret: Manifest) -> dict[str, str]:
    """Return the values of a Secret, empty if they cannot be read."""
    try:
        return secrets.values_of(secret)
    except (ValueError, TypeError):
        return {}


def authority_values(objects: Mapping[Key, Manifest], ref: ClusterRef) -> dict[str, str]:
    """Return the values of the Secret of the authority, empty without one."""
    found = objects.get(("Secret", ref.namespace, names.authority_secret(ref.name)))
    return secret_values(found) if found is not None else {}


def authority(objects: Mapping[Key, Manifest], ref: ClusterRef, now: dt.datetime) -> CertificateFacts | None:
    """Read the certificate of the authority; it is due when a third of its life is left."""
    found = objects.get(("Secret", ref.namespace, names.authority_secret(ref.name)))
    if found is None:
        return None
    text = secret_values(found).get(secrets.CERTIFICATE, "")
    return _certificate(text, now, due=certificates.needs_renewal(text, now))


def reign(objects: Mapping[Key, Manifest], ref: ClusterRef, notice: dt.timedelta) -> Authorities | None:
    """Read where the authority stands between the one before and the one after it, None if it cannot be read."""
    values = authority_values(objects, ref)
    try:
        made, _ = certificates.life(values.get(secrets.CERTIFICATE, ""))
    except ValueError:
        return None
    announced = authorities.following(values)
    if authorities.former(values) is not None:
        return Authorities(Reign.SIGNING, made, None, notice)
    if announced is not None:
        return Authorities(Reign.ANNOUNCED, made, certificates.life(announced.certificate)[0], notice)
    return Authorities(Reign.STEADY, made, None, notice)


def certificates_of(
    objects: Mapping[Key, Manifest],
    ref: ClusterRef,
    shards: tuple[ShardFacts, ...],
    now: dt.datetime,
    outer: Outer | None = None,
) -> dict[str, CertificateFacts]:
    """Read every certificate, and judge whether it still is what it should be."""
    known = authority_values(objects, ref)
    issuers, trust = authorities.trusted(known), authorities.bundle(known)
    subjects: dict[str, tuple[str, tuple[str, ...] | None]] = {
        names.OPERATOR_COMMON_NAME: (names.operator_secret(ref.name), None)
    }
    subjects[names.ROUTER_COMMON_NAME] = (
        names.router_secret(ref.name),
        certificates.router_addresses(ref.name, ref.namespace),
    )
    for shard in shards:
        for instance in shard.instances:
            names_needed = certificates.instance_addresses(ref.name, shard.name, instance.name, ref.namespace)
            subjects[instance.name] = (names.instance_secret(instance.name), names_needed)
    found: dict[str, CertificateFacts] = {}
    for subject, (secret_name, addresses) in subjects.items():
        secret = objects.get(("Secret", ref.namespace, secret_name))
        if secret is None:
            continue
        values = secret_values(secret)
        text = values.get(secrets.CERTIFICATE, "")
        beside = values.get(secrets.TRUST, "")
        issued = [issuer for issuer in issuers if certificates.is_issued_by(text, issuer)]
        # Amid a change of the authority a certificate of the other one is as good until it is issued anew.
        ours = not issuers or any(issuer in beside for issuer in issued)
        newest = not issuers or (issued[:1] == [issuers[0]] and beside == trust)
        aged = certificates.needs_renewal(text, now, addresses)
        read = _certificate(text, now, due=not newest or aged)
        fingerprint = fingerprints.of_credentials(beside.encode(), text.encode())
        read = dataclasses.replace(read, valid=read.valid and ours, fingerprint=fingerprint)
        if addresses is not None and issuers:
            read = _with_outer(read, text, issuers[0], (outer, addresses, now), aged=aged)
        found[subject] = read
    return found


def _with_outer(
    read: CertificateFacts,
    text: str,
    issuer: str,
    asked: tuple[Outer | None, tuple[str, ...], dt.datetime],
    *,
    aged: bool,
) -> CertificateFacts:
    """Judge by what leads from a server's certificate to the outer authority, where one is asked for.

    While that one cannot sign, a certificate that leads to it is not replaced by one that does not, unless its age
    leaves no choice: then members go before clients.
    """
    outer, addresses, now = asked
    leads = bool(crosscertificates.shown(text))
    if outer is None:
        return dataclasses.replace(read, due=read.due or leads, as_asked=not leads)
    if outer.authority is None:
        lost = leads and not crosscertificates.carried(text, issuer)
        return dataclasses.replace(read, held=read.due and lost and not aged)
    due = crosscertificates.is_due(text, issuer, outer.authority, addresses, now, outer.notice)
    return dataclasses.replace(read, due=read.due or due, as_asked=leads)


def _certificate(text: str, now: dt.datetime, *, due: bool) -> CertificateFacts:
    try:
        made, ends = certificates.life(text)
    except ValueError:
        return CertificateFacts(now, valid=False, due=due)
    return CertificateFacts(ends, valid=now < ends, due=due, life=ends - made)


def login_of(values: Mapping[str, str], owner: str) -> str:
    """Return the login that the values of an owner's Secret name; the owner where they name none of its logins."""
    named = values.get("username", owner)
    return named if named in names.logins(owner) else owner


def credentials(objects: Mapping[Key, Manifest], ref: ClusterRef, owner: str) -> Credentials | None:
    """Read what the Secret of the database's owner says of logins, None if it is not there."""
    found = objects.get(("Secret", ref.namespace, names.user_secret(ref.name, owner)))
    if found is None:
        return None
    authority = objects.get(("Secret", ref.namespace, names.authority_secret(ref.name)))
    values = secret_values(found)
    digest = secrets.password_digest(found, authority, staged=True)
    host = values.get(secrets.HOST, "")
    return Credentials(login_of(values, owner), values.get(secrets.NEXT_USERNAME, ""), digest, host)


def ring_map(objects: Mapping[Key, Manifest], ref: ClusterRef, cluster_uid: str) -> MapFacts | None:
    """Read the published map; one that is damaged or of another cluster than `cluster_uid` counts as none."""
    found = objects.get(("ConfigMap", ref.namespace, names.ring_map(ref.name)))
    document = (found.get("data") or {}).get(configs.MAP_KEY, "") if found is not None else ""
    if not document:
        return None
    try:
        ring = covet_hasher.Map.from_json(document)
    except covet_hasher.RingError:
        return None
    if ring.cluster != cluster_uid:
        return None
    hashes = json.loads(document)["groups"][0].get("hash") or {}
    return MapFacts(ring.epoch, document, str(next(iter(hashes.values()), "")), ring.digest, dict(ring.slot_counts()))


def remains(ref: ClusterRef, objects: Mapping[Key, Manifest]) -> tuple[ShardFacts, ...]:
    """Return the shards of this very object that have a published spec, though there is no birth record."""
    shards = {
        str(item["metadata"]["labels"].get(names.LABEL_SHARD))
        for (kind, _, _), item in objects.items()
        if kind == "ConfigMap"
        and any(owner["uid"] == ref.uid for owner in item["metadata"].get("ownerReferences") or [])
    }
    found = (ShardFacts(shard, (), published_spec(objects, ref, shard)) for shard in sorted(shards))
    return tuple(seen for seen in found if seen.published is not None)


def published_spec(objects: Mapping[Key, Manifest], ref: ClusterRef, shard: str) -> ShardSpec | None:
    """Read the spec that is published for the agents of a shard, None if it cannot be."""
    found = objects.get(("ConfigMap", ref.namespace, names.shard_config(ref.name, shard)))
    text = (found.get("data") or {}).get(configs.SPEC_KEY, "") if found is not None else ""
    try:
        return codec.decode(text, ShardSpec) if text else None
    except CovetError:
        return None


_LONG_TERM: Final = 19
"""Digits of a number that is no term."""


def endpoint(found: Manifest | None) -> Endpoint | None:
    """Read where `-rw` leads, None if there is no slice."""
    if found is None:
        return None
    text = str((found["metadata"].get("annotations") or {}).get(names.ANNOTATION_TERM, ""))
    term = int(text) if text.isdecimal() and len(text) < _LONG_TERM else 0
    family: str | None = found.get("addressType")
    for entry in found.get("endpoints") or []:
        addresses: list[Any] = entry.get("addresses") or []
        if addresses:
            return Endpoint(str(addresses[0]), bool((entry.get("conditions") or {}).get("ready")), term, family)
    return Endpoint(term=term, family=family)


def destination(seen: ShardFacts, identity: Identity) -> tuple[Endpoint, str | None, str | None]:
    """Return where `-rw` should lead, with the instance and the node behind it."""
    leads = endpoints.read_write(seen, identity.shard(seen.name))
    for instance in seen.instances:
        if leads.address is not None and instance.pod is not None and instance.pod.address == leads.address:
            return leads, instance.name, instance.pod.node
    return leads, None, None


def annotations(body: Manifest) -> dict[str, str]:
    """Return the annotations of a cluster that are Covet's."""
    found = body["metadata"].get("annotations") or {}
    return {key: str(value) for key, value in found.items() if key.startswith(f"{names.GROUP}/")}


def last_status(body: Manifest) -> ClusterStatus | None:
    """Read what was reported last."""
    try:
        return ClusterStatus.model_validate(body.get("status") or {})
    except pydantic.ValidationError:
        # An older or damaged status is a cache of no worth: it is written anew.
        return None
