"""The Secrets of a cluster: its authority, the certificates it issued, and its database user.

Values are text and stand base64-coded in `data`, as the API server returns them, so that
what is applied and what is read back can be compared.
"""

import base64
import hmac
import urllib.parse
from collections.abc import Mapping, Sequence
from typing import Final

from covet.api import spec
from covet.core import names
from covet.manifests import metadata
from covet.manifests.certificates import Authority, Issued
from covet.manifests.metadata import ClusterRef, Manifest

TLS_TYPE: Final = "kubernetes.io/tls"
BINDING_TYPE: Final = "servicebinding.io/postgresql"
CERTIFICATE: Final = "tls.crt"
KEY: Final = "tls.key"
TRUST: Final = "ca.crt"
HOST: Final = "host"
URI: Final = "uri"
NEXT_USERNAME: Final = "next-username"
NEXT_PASSWORD: Final = "next-password"  # noqa: S105 -- the key, not what stands there
"""Beside user and password in an owner's Secret while a rotation makes the next login on every shard."""


def authority(cluster: ClusterRef, made: Authority, volumes: spec.VolumeFate) -> Manifest:
    """Return the Secret of the cluster's authority. No pod mounts it; it stays with kept volumes."""
    meta = metadata.kept(cluster, names.authority_secret(cluster.name), volumes)
    return _secret(meta, TLS_TYPE, {CERTIFICATE: made.certificate, KEY: made.key})


def operator_certificate(cluster: ClusterRef, issued: Issued) -> Manifest:
    """Return the Secret of the certificate that the operator shows to the agents of this cluster."""
    return _certificate(metadata.owned(cluster, names.operator_secret(cluster.name)), issued)


def instance_certificate(cluster: ClusterRef, shard: str, instance: str, issued: Issued) -> Manifest:
    """Return the Secret that one instance's pod mounts."""
    return _certificate(metadata.owned(cluster, names.instance_secret(instance), shard, instance), issued)


def router_certificate(cluster: ClusterRef, issued: Issued) -> Manifest:
    """Return the Secret that all routers of a cluster mount."""
    return _certificate(metadata.of_routers(cluster, names.router_secret(cluster.name)), issued)


def user(
    cluster: ClusterRef,
    *,
    database: str,
    username: str,
    password: str,
    trust: str,
    shards: Sequence[str],
    volumes: spec.VolumeFate,
    login: str = "",
    routers: str = "",
) -> Manifest:
    """Return the Secret of a database user, in the shape of the Service Binding specification.

    Where routers lead to the database, `host` and `uri` name them. Without routers those of a cluster of one shard
    name that shard. With more shards there is then no single address that behaves like the whole database, and an
    application that took the first shard for it would write keys where nobody looks for them. Beside the routers, or
    without any, each of several shards has `host-s0`, `uri-s0`, `host-s1`, ..., and the map says which is whose.

    Args:
        cluster: whose database it is.
        database: name of the database.
        username: role that owns the database.
        password: its password.
        trust: certificates to verify the servers with, as PEM.
        shards: names of all shards, in order.
        volumes: the Secret stays with kept volumes.
        login: role to log in as, empty for the owner.
        routers: DNS name of the routers, empty without any that lead to the database.
    """
    values = {
        "username": login or username,
        "password": password,
        **derived(cluster, database, login or username, password, trust, shards, routers),
    }
    return _secret(metadata.kept(cluster, names.user_secret(cluster.name, username), volumes), BINDING_TYPE, values)


def derived(  # noqa: PLR0917 -- the facts that the Secret is made of
    cluster: ClusterRef,
    database: str,
    username: str,
    password: str,
    trust: str,
    shards: Sequence[str],
    routers: str = "",
) -> dict[str, str]:
    """Return what follows from user and password in a user's Secret, and is kept true as they and trust change."""
    values = {
        "type": "postgresql",
        "provider": names.APP,
        "port": str(names.SQL_PORT),
        "database": database,
        TRUST: trust,
    }
    if routers:
        values[HOST] = routers
        values[URI] = uri(routers, database, username, password)
    alone = len(shards) == 1
    for shard in shards if not (alone and routers) else ():
        suffix = "" if alone else f"-{shard}"
        host = f"{names.read_write_service(cluster.name, shard)}.{cluster.namespace}.svc"
        values[f"host{suffix}"] = host
        values[f"uri{suffix}"] = uri(host, database, username, password)
    return values


def password_digest(
    user_secret: Mapping[str, object], authority_secret: Mapping[str, object] | None, *, staged: bool = False
) -> str | None:
    """Return a digest of the password in force, or of the next login and its password; None without a key for it.

    What it begins with changes when verifiers are made in another way, so that every shard is given one made so.

    It may stand where more people read than in Secrets: without the authority's key no guess can be checked.
    A password that cannot be read has the digest of none, so that it is tried and refused in words.
    """
    try:
        key = values_of(authority_secret or {})[KEY]
    except (KeyError, ValueError, TypeError):
        return None
    try:
        values = values_of(user_secret)
    except (ValueError, TypeError):
        values = {}
    password = values.get(NEXT_PASSWORD if staged else "password", "")
    if staged and not password:
        return None
    return hmac.digest(key.encode(), b"covet verifier\n" + password.encode(), "sha256").hex()


def uri(host: str, database: str, username: str, password: str) -> str:
    """Return a connection string; TLS is required, and verified where the client is given `ca.crt`."""
    login = f"{urllib.parse.quote(username, safe='')}:{urllib.parse.quote(password, safe='')}"
    return f"postgresql://{login}@{host}:{names.SQL_PORT}/{urllib.parse.quote(database, safe='')}?sslmode=require"


def values_of(secret: Mapping[str, object]) -> dict[str, str]:
    """Return the text values of a Secret as the API server returned it.

    Raises:
        ValueError: a value is not base64 of UTF-8 text.
    """
    data = secret.get("data") or {}
    if not isinstance(data, Mapping):
        raise TypeError("the data of a Secret is a mapping")
    return {str(key): base64.b64decode(value, validate=True).decode() for key, value in data.items()}


def _certificate(meta: Manifest, issued: Issued) -> Manifest:
    return _secret(meta, TLS_TYPE, {CERTIFICATE: issued.certificate, KEY: issued.key, TRUST: issued.trust})


def _secret(meta: Manifest, kind: str, values: Mapping[str, str]) -> Manifest:
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": kind, "data": coded(values)}


def coded(values: Mapping[str, str]) -> dict[str, str]:
    """Return text values as they stand in `data` of a Secret."""
    return {key: base64.b64encode(value.encode()).decode() for key, value in sorted(values.items())}
