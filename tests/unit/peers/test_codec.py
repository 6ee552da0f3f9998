"""The language of the agent API survives the wire, and versions of it live side by side."""

import dataclasses
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.core import agentapi, agentorders
from covet.core.errors import SpecError
from covet.peers import codec

MESSAGES = [
    kind
    for module in (agentapi, agentorders)
    for kind in vars(module).values()
    if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__
]


@given(st.sampled_from(MESSAGES).flatmap(st.from_type))
def test_every_message_survives_the_wire(message: Any) -> None:
    """What was encoded is what is decoded, for every message of the API."""
    kind: type[Any] = type(message)
    assert message == codec.decode(codec.encode(message), kind)


def test_names_are_in_camel_case_and_keys_of_maps_are_not_touched() -> None:
    """Fields are renamed; a user's parameters keep their names."""
    spec = agentapi.ShardSpec(
        generation=1,
        cluster="shop",
        cluster_uid="u",
        namespace="n",
        shard="s0",
        shard_uid="v",
        engine_version="15",
        bootstrapped_by="shop-s0-a",
        opened=False,
        durability=agentapi.Durability.QUORUM,
        peers=(agentapi.Peer("shop-s0-a", "a.local", 1, 2, 3),),
        parameters={"work_mem": "1MB"},
    )
    told = json.loads(codec.encode(spec))
    assert {"work_mem": "1MB"} == told["parameters"]
    assert {"instance": "shop-s0-a", "address": "a.local", "agentPort": 1, "voterPort": 2, "sqlPort": 3} == told[
        "peers"
    ][0]
    assert ("u", "shop-s0-a", "Quorum") == (told["clusterUid"], told["bootstrappedBy"], told["durability"])


def test_an_older_or_newer_sender_is_understood() -> None:
    """Missing fields take their default, unknown ones are ignored."""
    assert agentapi.Task("Clone") == codec.decode(b'{"kind":"Clone","laterField":[1]}', agentapi.Task)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"kind":1}', b'{"doneBytes":1}', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    """Nonsense is one error of ours, whatever the library says."""
    with pytest.raises(SpecError):
        codec.decode(body, agentapi.Task)
