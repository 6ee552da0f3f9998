"""Whose an object is: one of another owner is never applied over, labelled or deleted with the cluster.

Server-side apply is forced here, so whoever is not asked first loses. An object is ours if it carries our
label and no other object controls it, or if this very cluster owns it. Before the first apply of a name
that was not seen with our label, the API server is asked who is there.
"""

from collections.abc import Mapping
from typing import Final

from cryptography import x509
from cryptography.x509 import oid

from covet.core import events, names
from covet.core.errors import SpecError
from covet.kube import resources
from covet.kube.ledger import Key
from covet.kube.resources import Manifest, Resource
from covet.manifests import certificates, secrets
from covet.manifests.metadata import ClusterRef
from covet.planner import record
from covet.planner.facts import Finding, ShardFacts

_BY_KIND: Final[Mapping[str, Resource]] = {resource.kind: resource for resource in resources.OWNED}


def resource_of(key: Key) -> Resource:
    """Return the resource of an object's key."""
    return _BY_KIND[key[0]]


def made_once(ref: ClusterRef, owner: str, shards: tuple[ShardFacts, ...]) -> tuple[Key, ...]:
    """Return the keys of what is made beside the objects that are applied at once: Secrets, map, trust, slices.

    Args:
        ref: the cluster.
        owner: role that owns its database.
        shards: its shards.
    """
    instances = [instance.name for shard in shards for instance in shard.instances]
    wanted = (
        names.authority_secret(ref.name),
        names.operator_secret(ref.name),
        names.user_secret(ref.name, owner),
        *(names.instance_secret(instance) for instance in instances),
    )
    maps = (names.ring_map(ref.name), names.trust_config(ref.name))
    slices = (names.read_write_slice(ref.name, shard.name) for shard in shards)
    return (
        *(("EndpointSlice", ref.namespace, name) for name in slices),
        *(("ConfigMap", ref.namespace, name) for name in maps),
        *(("Secret", ref.namespace, name) for name in wanted),
    )


def finding(found: Manifest, ref: ClusterRef) -> Finding | None:
    """Return why an object at a name of ours must not be touched, None if it is ours."""
    metadata = found["metadata"]
    owners = metadata.get("ownerReferences") or []
    if any(owner.get("uid") == ref.uid for owner in owners):
        return None
    controller = next((owner for owner in owners if owner.get("controller")), None)
    labelled = (metadata.get("labels") or {}).get(names.LABEL_CLUSTER) == ref.name
    if controller is None and (labelled or _says_so_itself(found, ref)):
        return None
    what = f"{found['kind']} {metadata['name']}"
    subject = f"{found['kind']}/{metadata['name']}"
    if controller is not None and (controller.get("kind"), controller.get("name")) == (names.KIND, ref.name):
        return Finding(
            events.NAME_TAKEN,
            f"{what} belongs to an earlier {names.KIND} {ref.name} (uid {controller.get('uid')}) and is not deleted"
            " yet; it is waited for.",
            subject=subject,
        )
    owner = f"belongs to {controller.get('kind')} {controller.get('name')}" if controller is not None else (
        f"does not carry the label {names.LABEL_CLUSTER}={ref.name}"
    )  # fmt: skip
    return Finding(
        events.NAME_TAKEN,
        f"{what} is there already and {owner}: it is not touched. Delete or rename it, or make the cluster under"
        " another name; if it is this cluster's, give it that label.",
        stalls=True,
        subject=subject,
    )


def _says_so_itself(found: Manifest, ref: ClusterRef) -> bool:
    """Return whether an object without its label is ours by what it holds: a record, or the authority."""
    name = found["metadata"]["name"]
    if (found["kind"], name) == ("ConfigMap", names.identity(ref.name)):
        try:
            return record.decode((found.get("data") or {}).get(record.KEY, "")).owner_uid == ref.uid
        except SpecError:
            return False
    if (found["kind"], name) == ("Secret", names.authority_secret(ref.name)):
        return _is_authority_of(found, ref.name)
    return False


def _is_authority_of(secret: Manifest, cluster: str) -> bool:
    try:
        text = secrets.values_of(secret)[secrets.CERTIFICATE]
        subject = x509.load_pem_x509_certificate(text.encode()).subject
    except (KeyError, ValueError, TypeError):
        return False
    expected = certificates.authority_name(cluster)
    found = [str(entry.value) for entry in subject.get_attributes_for_oid(oid.NameOID.COMMON_NAME)]
    return len(found) == 1 and found[0].split(" ")[: len(expected.split(" "))] == expected.split(" ")
