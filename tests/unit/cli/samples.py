"""A cluster in several situations, as the API server would return it."""

import copy
from typing import Any

MOMENT = "2026-11-23T08:00:00Z"

_LETTERS = "abcdefg"


def cluster(name: str = "shop", namespace: str = "default", **annotations: str) -> dict[str, Any]:
    """Return a cluster of two shards of three instances, all well; s0 has failed over once."""
    return {
        "apiVersion": "covet.dev/v1alpha1",
        "kind": "CovetCluster",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": "5a1d0a54-0000-4000-8000-000000000001",
            "generation": 3,
            "resourceVersion": "100",
            "annotations": {key.replace("__", "."): value for key, value in annotations.items()},
        },
        "spec": {
            "engine": {"name": "PostgreSQL", "version": "15"},
            "shards": {"count": 2, "instances": 3},
            "durability": "Quorum",
            "storage": {"size": "10Gi"},
        },
        "status": {
            "observedGeneration": 3,
            "phase": "Ready",
            "primaries": "2/2",
            "conditions": [
                condition("Ready", "True", "Settled", "Every instance is where it should be."),
                condition("Available", "True", "PrimariesServe", "Every shard takes writes."),
                condition("Durable", "True", "QuorumStreams", "Every shard has its quorum."),
                condition(
                    "CertificatesValid",
                    "True",
                    "CertificatesValid",
                    "Every certificate is valid and renewed in time.",
                ),
            ],
            "shards": [
                shard(name, "s0", leader="b", term=7)
                | {
                    "lastFailover": {
                        "at": "2026-11-23T07:46:40Z",
                        "reason": "LeaderSilent",
                        "from": f"{name}-s0-a",
                        "to": f"{name}-s0-b",
                        "term": 7,
                        "detectMs": 1230,
                        "fenceMs": 48,
                        "promoteMs": 210,
                        "writableMs": 1640,
                        "discarded": 8192,
                    },
                    "decision": {
                        "at": "2026-11-23T07:46:39Z",
                        "reason": "Elected",
                        "message": f"{name}-s0-b had the highest position of 2 that promised term 7.",
                    },
                },
                shard(name, "s1", leader="a", term=1),
            ],
        },
    }


def condition(kind: str, truth: str, reason: str, message: str) -> dict[str, Any]:
    """Return a condition that has stood for three hours."""
    return {
        "type": kind,
        "status": truth,
        "observedGeneration": 3,
        "lastTransitionTime": "2026-11-23T05:00:00Z",
        "reason": reason,
        "message": message,
    }


def shard(cluster_name: str, name: str, leader: str, term: int, count: int = 3) -> dict[str, Any]:
    """Return a shard whose instances are all well."""
    letters = _LETTERS[:count]
    members = {letter: f"{name}-{letter}-0123456789a{index}" for index, letter in enumerate(letters)}
    return {
        "name": name,
        "slots": 8192,
        "primary": f"{cluster_name}-{name}-{leader}",
        "term": term,
        "instances": [
            {
                "name": f"{cluster_name}-{name}-{letter}",
                "role": "Primary" if letter == leader else "Replica",
                "state": "Serving" if letter == leader else "Streaming",
                **({} if letter == leader else {"lag": "Ok"}),
                "node": f"node-{index + 1}",
            }
            for index, letter in enumerate(letters)
        ],
        "rule": {
            "term": term,
            "seq": 2,
            "leader": members[leader],
            "cohort": sorted(members.values()),
            "acks": (count - 1) // 2,
        },
        "members": [
            {
                "instance": f"{cluster_name}-{name}-{letter}",
                "member": members[letter],
                "state": "Leader" if letter == leader else "Follower",
                "reason": "Serving" if letter == leader else "Streaming",
                "promise": term,
            }
            for letter in letters
        ],
    }


def down(body: dict[str, Any], *instances: str) -> dict[str, Any]:
    """Return the same cluster while some instances do not answer; a shard whose primary is among them has none."""
    changed = copy.deepcopy(body)
    for found in changed["status"]["shards"]:
        for server in found["instances"]:
            if server["name"] in instances:
                server.update(role="Unknown", state="Unreachable")
                server.pop("lag", None)
        for member in found["members"]:
            if member["instance"] in instances:
                # Of who does not answer, the operator knows the instance alone.
                member.update(state="Unreachable")
                for field in ("member", "reason", "promise"):
                    member.pop(field)
        if found.get("primary") in instances:
            del found["primary"]
    return changed


def first(body: dict[str, Any]) -> dict[str, Any]:
    """Return the status of shard s0."""
    found: dict[str, Any] = body["status"]["shards"][0]
    return found
