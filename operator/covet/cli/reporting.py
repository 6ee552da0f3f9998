"""Everything that helps to understand a cluster from afar, as text files by name, without secrets.

What may not be read is left out and named; one thing that cannot be had is no reason to have nothing.
"""

import asyncio
import dataclasses
import datetime as dt
import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final

from covet.cli import explaining, failures, raw, redaction, screen, tailing, views
from covet.cli.access import Access, Seen
from covet.cli.doctoring import examining
from covet.cli.doctoring import facts as doctor
from covet.cli.doctoring.facts import Facts
from covet.core import names
from covet.core.clock import Clock
from covet.manifests import pods

README: Final = """\
Report on the CovetCluster {name} in namespace {namespace}, made by kubectl-covet {version} at {moment}.

status.txt, shards.txt, why-*.txt   what `kubectl covet` shows of it
doctor.txt                          what `kubectl covet doctor` finds
cluster.json                        the object itself
events.txt                          Events in the namespace about it and what belongs to it
pods.json, statefulsets.json        and persistentvolumeclaims.json, as Kubernetes has them
map.json                            the map of slots to shards
operator/                           the operator's pods
logs/                               what agents, servers and operator wrote; *.previous.log: before the last restart

No Secret was read. Passwords, keys and connection strings were replaced by {gone} where they were recognised.
Logs of a database server may hold statements and values of yours: look through them before you send this on.
{missing}"""


@dataclasses.dataclass(frozen=True)
class Scope:
    """How much is taken along.

    Args:
        version: of this command.
        tail: newest lines of each log.
    """

    version: str
    tail: int


async def gather(access: Access, cluster: str, scope: Scope, clock: Clock) -> dict[str, str]:
    """Return the files of a report by their path.

    Raises:
        Failure: the cluster is not there, or the API server does not answer.
    """
    facts = await doctor.gather(access, scope.version, cluster, clock)
    seen = facts.seen
    if seen is None:
        raise failures.no_cluster(cluster, access.namespace, ())
    missing: list[str] = []
    files = {**_shown(seen, facts, clock.wall()), "cluster.json": _json(dict(seen.body))}
    mine = {names.LABEL_CLUSTER: cluster}
    for path, looked in (
        ("pods.json", facts.pods),
        ("persistentvolumeclaims.json", facts.claims),
        ("statefulsets.json", await access.beside.look("statefulsets", access.namespace, mine)),
        ("map.json", await access.beside.look_at("configmaps", access.namespace, names.ring_map(cluster))),
        ("operator/pods.json", facts.operators),
    ):
        if isinstance(looked, failures.Failure):
            missing.append(f"{path}: {looked.message.partition(':')[0]}")
        else:
            files[path] = _json(list(looked))
    files |= await _events(access, seen, missing)
    files |= await _logs(access, facts, scope.tail, missing)
    files["README.txt"] = README.format(
        name=cluster,
        namespace=access.namespace,
        version=scope.version,
        moment=f"{clock.wall():%Y-%m-%d %H:%M:%S} UTC",
        gone=redaction.GONE,
        missing="\nLeft out:\n" + "".join(f"- {line}\n" for line in missing) if missing else "",
    )
    return {path: redaction.text(content) for path, content in sorted(files.items())}


def _shown(seen: Seen, facts: Facts, now: dt.datetime) -> dict[str, str]:
    """Return what a person would see."""
    files = {
        "status.txt": screen.render(*views.status(seen, now), terminal=False),
        "shards.txt": screen.render(*views.shards(seen), terminal=False),
        "doctor.txt": screen.render(*examining.show(examining.examine(facts)), terminal=False),
    }
    for shard in seen.status.shards:
        files[f"why-{shard.name}.txt"] = screen.render(*explaining.explain(seen, shard, now), terminal=False)
    return files


async def _events(access: Access, seen: Seen, missing: list[str]) -> dict[str, str]:
    looked = await access.beside.look("events", access.namespace)
    if isinstance(looked, failures.Failure):
        missing.append(f"events.txt: {looked.message.partition(':')[0]}")
        return {}
    about = [event for event in looked if _concerns(event, seen.name)]
    rows = (
        (
            _moment(event),
            str(event.get("type") or "-"),
            str(event.get("reason") or "-"),
            f"{event['involvedObject'].get('kind')}/{event['involvedObject'].get('name')}",
            str(event.get("count") or 1),
            str(event.get("message") or "-"),
        )
        for event in sorted(about, key=_moment)
    )
    heads = ("LAST SEEN", "TYPE", "REASON", "OBJECT", "TIMES", "MESSAGE")
    return {"events.txt": "\n".join("\t".join(row) for row in (heads, *rows)) + "\n"}


def _concerns(event: raw.Manifest, cluster: str) -> bool:
    """Return whether an Event is about the cluster or something of its name."""
    name = str((event.get("involvedObject") or {}).get("name") or "")
    return name == cluster or name.startswith((f"{cluster}-", f"data-{cluster}-"))


def _moment(event: raw.Manifest) -> str:
    series = (event.get("series") or {}).get("lastObservedTime")
    found = series or event.get("lastTimestamp") or event.get("eventTime")
    return str(found or event["metadata"].get("creationTimestamp") or "-")


async def _logs(access: Access, facts: Facts, tail: int, missing: list[str]) -> dict[str, str]:
    """Return the newest lines of every container, and those from before its last restart where there was one."""
    wanted: dict[str, Callable[[], Awaitable[str]]] = {}
    for looked, container in ((facts.pods, pods.CONTAINER), (facts.operators, names.COMPONENT_OPERATOR)):
        for pod in () if isinstance(looked, failures.Failure) else looked:
            source = tailing.sources_of([pod], container)[0]
            wanted[f"logs/{source.origin}.log"] = _reader(access.beside, source, tailing.Extent(tail))
            if _restarted(pod):
                extent = tailing.Extent(tail, previous=True)
                wanted[f"logs/{source.origin}.previous.log"] = _reader(access.beside, source, extent)
    found = await asyncio.gather(*(read() for read in wanted.values()), return_exceptions=True)
    files = {}
    for path, result in zip(wanted, found, strict=True):
        if isinstance(result, failures.Failure):
            missing.append(f"{path}: {result.message.partition(':')[0]}")
        elif isinstance(result, BaseException):
            raise result
        else:
            files[path] = result
    return files


def _reader(beside: raw.Raw, source: tailing.Source, extent: tailing.Extent) -> Callable[[], Awaitable[str]]:
    async def read() -> str:
        return "".join(f"{line.stamp} {line.text}\n" for line in await tailing.read(beside, [source], extent))

    return read


def _restarted(pod: raw.Manifest) -> bool:
    containers = (pod.get("status") or {}).get("containerStatuses") or []
    return any(container.get("restartCount", 0) > 0 for container in containers)


def _json(value: Any) -> str:  # noqa: ANN401 -- any JSON value
    return json.dumps(redaction.manifest(_without_managers(value)), indent=2, ensure_ascii=False) + "\n"


def _without_managers(value: Any) -> Any:  # noqa: ANN401 -- likewise
    """Return objects without the record of who set which field, which is longer than all the rest."""
    if isinstance(value, list):
        return [_without_managers(item) for item in value]
    if isinstance(value, Mapping) and isinstance(value.get("metadata"), Mapping):
        metadata = {key: part for key, part in value["metadata"].items() if key != "managedFields"}
        return {**value, "metadata": metadata}
    return value


def sizes(files: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each file with its size, for a person."""
    for path, content in files.items():
        yield path, screen.bytes_of(len(content.encode()))
