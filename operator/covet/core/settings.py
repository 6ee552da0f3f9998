"""Settings of the operator process, read once from the environment.

Only what an installation decides stands here (images, namespaces, logs); what a user of a
cluster decides stands in the CovetCluster.
"""

import dataclasses
import datetime as dt
import json
import re
from collections.abc import Mapping

from covet.core.errors import SpecError

HEALTH_PORT = 8080
"""Port of /livez, /readyz and /metrics."""

API_PORTS = (443, 6443)
"""Ports at which API servers usually listen."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """What an installation decides.

    Args:
        namespace: where the operator runs and holds its Lease.
        identity: name of this process as the holder of the Lease.
        watch_namespaces: namespaces whose clusters are served; empty means all.
        postgres_images: PostgreSQL major version to image.
        image_pull_policy: pull policy of database pods and routers.
        image_pull_secrets: names of pull Secrets, expected in each cluster's namespace.
        log_format: `json` or `text`.
        health_port: port of /livez, /readyz and /metrics; 0 for any.
        lease: name of the Lease; the processes of one installation share it, those of another have their own.
        api_ports: TCP ports of the API server behind its Service, which the primaries may reach.
        scraper_namespaces: namespaces that may scrape the agents' metrics.
        certificate_lifetime: for how long certificates are valid that agents and the operator show.
        authority_lifetime: for how long a cluster's authority is, at least three times that.
        router_image: image of the routers; empty for an installation without any.
    """

    namespace: str = "covet-system"
    identity: str = "covet-operator"
    watch_namespaces: tuple[str, ...] = ()
    postgres_images: Mapping[str, str] = dataclasses.field(default_factory=dict)
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    log_format: str = "json"
    health_port: int = HEALTH_PORT
    lease: str = "covet-operator"
    api_ports: tuple[int, ...] = API_PORTS
    scraper_namespaces: tuple[str, ...] = ()
    certificate_lifetime: dt.timedelta = dt.timedelta(days=90)
    authority_lifetime: dt.timedelta = dt.timedelta(days=3650)
    router_image: str = ""

    @property
    def operator(self) -> str:
        """Return who serves a cluster, as its status names it: namespace and Lease, the same for all our processes."""
        return f"{self.namespace}/{self.lease}"


def from_environ(environ: Mapping[str, str]) -> Settings:
    """Read the settings.

    Args:
        environ: environment variables; unknown ones are ignored.

    Raises:
        SpecError: a variable cannot be read; the message names it.
    """
    base = Settings()
    certificate, authority = _lifetimes(environ, base)
    return Settings(
        namespace=environ.get("COVET_NAMESPACE") or base.namespace,
        identity=environ.get("COVET_POD_NAME") or base.identity,
        watch_namespaces=_names(environ.get("COVET_WATCH_NAMESPACES", "")),
        postgres_images=_images(environ.get("COVET_POSTGRES_IMAGES", "")),
        router_image=environ.get("COVET_ROUTER_IMAGE", ""),
        image_pull_policy=environ.get("COVET_IMAGE_PULL_POLICY") or base.image_pull_policy,
        image_pull_secrets=_names(environ.get("COVET_IMAGE_PULL_SECRETS", "")),
        log_format=environ.get("COVET_LOG") or base.log_format,
        health_port=_port("COVET_HEALTH_PORT", environ.get("COVET_HEALTH_PORT", "")) or base.health_port,
        api_ports=tuple(_port("COVET_API_PORTS", text) for text in _names(environ.get("COVET_API_PORTS", "")))
        or base.api_ports,
        scraper_namespaces=_names(environ.get("COVET_SCRAPER_NAMESPACES", "")),
        lease=environ.get("COVET_LEASE") or base.lease,
        certificate_lifetime=certificate,
        authority_lifetime=authority,
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


_UNITS = {"m": "minutes", "h": "hours", "d": "days"}
_SHORTEST = dt.timedelta(minutes=10)
"""The kubelet takes up to two minutes to bring a renewed certificate into a pod."""
_LONGEST = dt.timedelta(days=36500)


def _lifetimes(environ: Mapping[str, str], base: Settings) -> tuple[dt.timedelta, dt.timedelta]:
    """Return for how long certificates and authorities are valid."""
    certificate = _duration(environ, "COVET_CERTIFICATE_LIFETIME", base.certificate_lifetime)
    authority = _duration(environ, "COVET_AUTHORITY_LIFETIME", base.authority_lifetime)
    if authority < 3 * certificate:
        raise SpecError(
            "SettingInvalid",
            "COVET_AUTHORITY_LIFETIME is less than three times COVET_CERTIFICATE_LIFETIME: an authority is replaced"
            " when a third of its life is left, and nothing that it issued outlives it.",
        )
    return certificate, authority


def _duration(environ: Mapping[str, str], variable: str, default: dt.timedelta) -> dt.timedelta:
    text = environ.get(variable, "")
    if not text:
        return default
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text)
    length = dt.timedelta(**{_UNITS[found[2]]: int(found[1])}) if found is not None else dt.timedelta()
    if not _SHORTEST <= length <= _LONGEST:
        raise SpecError("SettingInvalid", f"{variable} holds {text!r}: write between 10m and 36500d, as 90d or 36h.")
    return length


def _port(variable: str, text: str) -> int:
    """Return a port, 0 for none."""
    if not text:
        return 0
    if not text.isdecimal() or not 0 < int(text) < 65536:
        raise SpecError("SettingInvalid", f"{variable} holds {text!r}: write a port between 1 and 65535.")
    return int(text)


def _images(text: str) -> dict[str, str]:
    if not text:
        return {}
    try:
        images = json.loads(text)
    except ValueError as error:
        raise SpecError("SettingInvalid", f"COVET_POSTGRES_IMAGES is no JSON object: {error}.") from error
    if not isinstance(images, dict) or not all(isinstance(image, str) for image in images.values()):
        raise SpecError("SettingInvalid", 'COVET_POSTGRES_IMAGES must map versions to images, as {"15": "image"}.')
    return dict(images)
