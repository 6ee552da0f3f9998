"""Clusters that are born once in a process and then taken up by many tests, each with its own copy.

A birth is a dozen rounds over HTTP with three agents behind TLS. Tests of what comes later need its result alone, as
a new operator process finds it.
"""

import copy
import dataclasses
import json
from collections.abc import Mapping
from typing import Any

from covet.core import names
from covet.core.settings import Settings
from covet.kube import resources
from covet.kube.resources import Manifest
from covet.testing import merging
from covet.testing.agents import FakeAgent
from covet.testing.apiserver import ApiServer, Key
from covet.testing.kubelet import Kubelet

_OF_A_TEST = {"instance", "shard", "siblings", "record"}
"""What an agent is by its place; all else is what became of it."""
_OF_A_PROCESS = {"_server", "_runners", "_shards", "agents"}
"""What a kubelet works with; all else is what it knows."""


@dataclasses.dataclass(frozen=True)
class Born:
    """A cluster that was settled at a moment: what the API server held, and what the agents had become.

    Args:
        objects: that were stored.
        applied: what each manager applied.
        version: of the newest object.
        kubelet: what it knew.
        agents: cluster and shard -> instance -> what became of its agent.
    """

    objects: Mapping[Key, Manifest]
    applied: Mapping[tuple[Key, str], Manifest]
    version: int
    kubelet: Mapping[str, Any]
    agents: Mapping[tuple[str, str], Mapping[str, Mapping[str, Any]]]


KNOWN: dict[str, Born] = {}
"""What was born in this process."""


def key(server: ApiServer, settings: Settings, spec: Mapping[str, Any]) -> str:
    """Return a text that two births have in common only if they begin alike.

    Args:
        server: holds what is there before.
        settings: of the operator.
        spec: what is declared.
    """
    before = [
        (resource.plural, name, {field: part for field, part in item.items() if field != "metadata"})
        for (resource, _, name), item in server.objects.items()
    ]
    return json.dumps([before, spec, repr(settings)], sort_keys=True)


def keep(server: ApiServer, kubelet: Kubelet) -> Born:
    """Return what is there now, as a copy."""
    agents = {
        shard: {instance: _became(agent) for instance, agent in members.items()}
        for shard, members in kubelet._shards.items()
    }
    known = {name: value for name, value in vars(kubelet).items() if name not in _OF_A_PROCESS}
    return _copied(Born(server.objects, server._applied, server._version, known, agents))


async def revive(born: Born, server: ApiServer, kubelet: Kubelet, namespace: str) -> None:
    """Have an API server hold a copy of what another one held, and run its pods at the addresses that they had."""
    fresh = _copied(born)
    server.objects, server._applied, server._version = dict(fresh.objects), dict(fresh.applied), fresh.version
    vars(kubelet).update(fresh.kubelet)
    for (cluster, shard), members in fresh.agents.items():
        for instance, became in members.items():
            agent = kubelet._new_agent(namespace, cluster, shard, instance)
            vars(agent).update(became)
            address = server.objects[resources.POD, namespace, names.pod(instance)]["status"]["podIP"]
            secret = server.objects[resources.SECRET, namespace, names.instance_secret(instance)]
            kubelet._runners[instance] = await kubelet._serve(agent, address, secret)


def _copied(born: Born) -> Born:
    objects = {key: merging.copied(item) for key, item in born.objects.items()}
    applied = {key: merging.copied(item) for key, item in born.applied.items()}
    return Born(objects, applied, born.version, copy.deepcopy(born.kubelet), copy.deepcopy(born.agents))


def _became(agent: FakeAgent) -> dict[str, Any]:
    assert agent.task is None, f"{agent.instance} is in the middle of something"
    return {name: value for name, value in vars(agent).items() if name not in _OF_A_TEST and name != "source"}
