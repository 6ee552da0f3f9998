"""The routers of a cluster: what is there of them, and the objects that they should be."""

import dataclasses
import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Final

from covet.api.effective import EffectiveSpec
from covet.controllers import pods, reading
from covet.core import clock, names
from covet.core.settings import Settings
from covet.kube.ledger import Key
from covet.kube.resources import Manifest
from covet.manifests import passwords, routerconfig, routers, secrets
from covet.manifests.metadata import ClusterRef
from covet.manifests.pods import Image
from covet.manifests.routerconfig import Routed
from covet.planner import routers as planned
from covet.planner.record import Identity
from covet.planner.routerfacts import NO_ROUTERS, RouterFacts, RouterPod

Objects = Mapping[Key, Manifest]


@dataclasses.dataclass(frozen=True)
class Front:
    """What the objects of the routers are made from, beside the spec.

    Args:
        image: of the routers, None where none are to be made.
        replicas: how many there should be.
        verifiers: by role, of everybody who may log in.
        since: moment since which the Secret of the routers has held them, as it stands there; empty before.
        leads: whether clients are told to connect to the routers.
        scrapers: namespaces that may read metrics.
    """

    image: Image | None = None
    replicas: int = 0
    verifiers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    since: str = ""
    leads: bool = False
    scrapers: tuple[str, ...] = ()


NO_FRONT: Final = Front()


def look(
    found: Objects,
    ref: ClusterRef,
    known: tuple[Identity | None, EffectiveSpec | None],
    settings: Settings,
    now: dt.datetime,
) -> tuple[RouterFacts, Front]:
    """Return what is there of a cluster's routers, and what their objects are made from.

    Args:
        found: everything that carries the cluster's label.
        ref: the cluster.
        known: its birth record and the spec in force.
        settings: of the installation.
        now: wall-clock time.
    """
    identity, in_force = known
    if identity is None or in_force is None:
        return NO_ROUTERS, NO_FRONT
    asked, shards = in_force.router.replicas, max(len(identity.layout), len(identity.mapped))
    missing = planned.missing(settings.router_image, shards)
    wanted = 0 if missing else asked
    deployed = found.get(("Deployment", ref.namespace, names.router(ref.name)))
    if not settings.router_image or (not wanted and deployed is None):
        return RouterFacts(missing=missing if asked else ""), NO_FRONT
    made = _verifiers(found, ref, identity, in_force.database.owner)
    held, since = _held(found, ref)
    moment = since if held == made and since else clock.rfc3339(now)
    facts = RouterFacts(
        replicas=wanted,
        missing=missing if asked else "",
        pods=tuple(_pods(found, deployed, now)),
        logins=frozenset(role for role, text in made.items() if held.get(role) == text),
        seconds=_seconds(moment, now) if held == made else 0.0,
    )
    image = Image(settings.router_image, settings.image_pull_policy, settings.image_pull_secrets)
    return facts, Front(image, wanted, made, moment, scrapers=settings.scraper_namespaces)


def objects(routed: Routed, spec: EffectiveSpec, front: Front) -> Iterator[Manifest]:
    """Yield the objects of the routers, what their pods need first.

    Args:
        routed: whose routers they are, and what they know of it.
        spec: the spec in force.
        front: what else they are made from.
    """
    ref = routed.cluster
    if front.image is None:
        return
    yield routers.service_account(ref)
    yield routers.network(ref, front.scrapers)
    yield routers.service(ref)
    yield routers.disruption_budget(ref)
    if not routed.family or not front.verifiers:
        return
    config = routerconfig.document(routed, spec, front.verifiers)
    yield routerconfig.verifiers(ref, front.verifiers, front.since)
    yield routerconfig.config_map(ref, config)
    yield routers.deployment(ref, spec, front.image, front.replicas, config)


def _verifiers(found: Objects, ref: ClusterRef, identity: Identity, owner: str) -> dict[str, str]:
    """Return the verifiers of the login in force, of the next one, and of the former one while it may log in.

    The password of the former one is nowhere any more: its verifier stays as it is in the routers' Secret.
    """
    secret = found.get(("Secret", ref.namespace, names.user_secret(ref.name, owner)))
    values = reading.secret_values(secret) if secret is not None else {}
    held, _ = _held(found, ref)
    login = reading.login_of(values, owner)
    former = identity.rotation.former if identity.rotation is not None else None
    made = {former: held[former]} if former is not None and former in held else {}
    given = {
        login: values.get("password", ""),
        values.get(secrets.NEXT_USERNAME, ""): values.get(secrets.NEXT_PASSWORD, ""),
    }
    for role, password in given.items():
        if not role or not password:
            continue
        try:
            made[role] = passwords.verifier(password, passwords.salt(identity.cluster_uid, role))
        except ValueError:
            # The servers refuse it as well, in words; what was in force goes on.
            made |= {role: held[role]} if role in held else {}
    return made


def _held(found: Objects, ref: ClusterRef) -> tuple[dict[str, str], str]:
    """Return the verifiers that the routers' Secret holds, and since when."""
    secret = found.get(("Secret", ref.namespace, names.router_config(ref.name)))
    if secret is None:
        return {}, ""
    since = (secret["metadata"].get("annotations") or {}).get(names.ANNOTATION_SINCE, "")
    return reading.secret_values(secret), str(since)


def _seconds(since: str, now: dt.datetime) -> float:
    try:
        return (now - dt.datetime.fromisoformat(since)).total_seconds()
    except (ValueError, TypeError):
        return 0.0


def _pods(found: Objects, deployed: Manifest | None, now: dt.datetime) -> Iterator[RouterPod]:
    wanted = routers.template_of(deployed) if deployed is not None else ""
    for (kind, _, name), item in sorted(found.items()):
        labels = item["metadata"].get("labels") or {}
        if kind != "Pod" or labels.get(names.LABEL_COMPONENT) != names.COMPONENT_ROUTER:
            continue
        seen = pods.read(item, None, now)
        problem = seen.problem
        yield RouterPod(
            name=name,
            ready=seen.ready,
            current=routers.template_of(item) == wanted,
            deleting=seen.deleting,
            reason=problem.reason if problem is not None else "",
            message=problem.message if problem is not None else "",
        )
