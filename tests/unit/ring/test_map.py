"""The map as Python sees it: documents in and out, lookups, plans, moves."""

import itertools
import json
import uuid
from typing import Any

import covet_hasher
import pytest

SHARDS = [("s0", 1), ("s1", 1)]


def document(**changed: Any) -> dict[str, Any]:
    """Build the example map of docs/ring.md, with some members changed."""
    return {
        "format": 1,
        "cluster": "3f1a",
        "epoch": 4,
        "shards": [{"name": "s0", "id": 0, "weight": 1}, {"name": "s1", "id": 1, "weight": 1}],
        "groups": [
            {
                "name": "default",
                "strategy": "Hash",
                "hash": {"bigint": "pg1", "text": "pg1", "uuid": "pg1"},
                "slots": [[0, 8191, 0], [8192, 16383, 1]],
            },
            {"name": "ledger", "strategy": "Range", "keyType": "bigint", "ranges": [["1000000", 0], [None, 1]]},
            {"name": "events", "strategy": "List", "keyType": "text", "values": {"eu-west": 1, "us-east": 0}},
            {
                "name": "parts",
                "strategy": "List",
                "keyType": "uuid",
                "values": {"126398b1-12d8-2268-e8d1-30b7c1380dd9": 1},
            },
        ],
        "tables": {"customers": {"group": "default", "key": "tenant_id"}, "countries": {"reference": True}},
        **changed,
    }


def seal(**changed: Any) -> covet_hasher.Map:
    """Read the example map."""
    return covet_hasher.Map.seal(json.dumps(document(**changed)))


def crc32c(data: bytes) -> int:
    """Compute CRC-32C bit by bit (Castagnoli, reflected), as a reader in another language would."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def test_the_checksum_is_that_of_the_canonical_text_without_it() -> None:
    """Anyone with a JSON library and a CRC-32C can write and check a map."""
    assert 0xE3069283 == crc32c(b"123456789")
    values = {'straße \\ "quoted"\n': 0, "日本": 1, "\x7f\x01": 0}
    groups = [*document()["groups"], {"name": "ünï", "strategy": "List", "keyType": "text", "values": values}]
    text = seal(groups=groups).to_json()
    read = json.loads(text)
    checksum = read.pop("crc32c")
    canonical = json.dumps(read, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert f"{crc32c(canonical.encode()):08x}" == checksum
    read["crc32c"] = checksum
    assert json.dumps(read, sort_keys=True, separators=(",", ":"), ensure_ascii=False) == text


def test_white_space_and_the_order_of_members_do_not_matter_to_a_reader() -> None:
    """A map that a tool printed prettily is the same map."""
    ring = seal()
    pretty = json.dumps(json.loads(ring.to_json()), indent=4)
    assert ring == covet_hasher.Map.from_json(pretty)


def test_a_map_reads_back_as_it_was_written() -> None:
    """What the operator publishes is what the router reads."""
    ring = seal()
    again = covet_hasher.Map.from_json(ring.to_json())
    assert (ring, ring.digest, hash(ring)) == (again, again.digest, hash(again))
    assert 'Map(cluster="3f1a", epoch=4, shards=2)' == repr(again)


def test_a_map_tells_what_it_holds() -> None:
    """Everything in the document can be asked for."""
    ring = seal()
    assert ("3f1a", 4) == (ring.cluster, ring.epoch)
    assert [("s0", 0, 1), ("s1", 1, 1)] == [(shard.name, shard.id, shard.weight) for shard in ring.shards]
    assert {"default": "Hash", "ledger": "Range", "events": "List", "parts": "List"} == ring.groups
    assert {"customers": ("default", "tenant_id"), "countries": None} == ring.tables
    assert {"s0": 8192, "s1": 8192} == ring.slot_counts()
    assert [(0, 8191, "s0"), (8192, 16383, "s1")] == ring.slots()
    assert [(8192, 16383)] == ring.ranges("s1")
    assert "s0" == ring.owner(8191).name
    assert 'Shard(name="s0", id=0, weight=1)' == repr(ring.owner(0))


def test_keys_find_their_shard_through_groups_and_tables() -> None:
    """A key of a table is looked up in the table's group."""
    ring = seal()
    assert "s1" == ring.lookup(42).name
    assert "s1" == ring.lookup(42, table="customers").name
    assert "s0" == ring.lookup(999_999, "ledger").name
    assert "s1" == ring.lookup(1_000_000, "ledger").name
    assert "s1" == ring.lookup("eu-west", group="events").name
    assert "s1" == ring.lookup(uuid.UUID("126398b1-12d8-2268-e8d1-30b7c1380dd9"), "parts").name
    assert [0, 1] == ring.lookup_many([5, 2_000_000], "ledger")
    assert [1, 0] == ring.lookup_many(["eu-west", "us-east"], "events")


@pytest.mark.parametrize(
    ("reason", "ask"),
    [
        ("UnknownGroup", lambda ring: ring.lookup(1, "other")),
        ("UnknownTable", lambda ring: ring.lookup(1, table="orders")),
        ("ReferenceTable", lambda ring: ring.lookup(1, table="countries")),
        ("WrongKeyType", lambda ring: ring.lookup("a", "ledger")),
        ("WrongKeyType", lambda ring: ring.lookup_many(["a"], "ledger")),
        ("Uncovered", lambda ring: ring.lookup("mars", "events")),
        ("Uncovered", lambda ring: ring.lookup_many(["eu-west", "mars"], "events")),
        ("NoSlots", lambda ring: ring.slots("ledger")),
        ("UnknownShard", lambda ring: ring.ranges("s9")),
        ("BadRange", lambda ring: ring.owner(16384)),
        ("BadRange", lambda ring: ring.owner(-1)),
        ("NoSlots", lambda ring: ring.sql_predicate("s0", "id", "bigint", "ledger")),
    ],
)
def test_a_question_without_an_answer_is_refused_with_its_reason(reason: str, ask: Any) -> None:
    """No key is ever sent to every shard because nobody owns it."""
    with pytest.raises(covet_hasher.RingError) as refused:
        ask(seal())
    assert reason == refused.value.reason


def test_a_group_and_a_table_are_not_named_together() -> None:
    """The two could contradict each other."""
    with pytest.raises(TypeError, match="not both"):
        seal().lookup(1, "default", table="customers")


@pytest.mark.parametrize(
    ("reason", "changed"),
    [
        ("UnknownFormat", {"format": 2}),
        ("BadNumber", {"epoch": 0}),
        ("Malformed", {"epoch": 1.5}),
        ("Malformed", {"zones": []}),
        ("DuplicateName", {"shards": [{"name": "s0", "id": number, "weight": 1} for number in (0, 1)]}),
        ("DuplicateId", {"shards": [{"name": name, "id": 1, "weight": 1} for name in ("s0", "s1")]}),
        ("UnknownShardId", {"shards": [{"name": "s0", "id": 0, "weight": 1}]}),
        ("UnknownGroup", {"tables": {"customers": {"group": "other", "key": "id"}}}),
    ],
)
def test_a_faulty_document_is_refused_with_its_reason(reason: str, changed: dict[str, Any]) -> None:
    """A map is used whole or not at all."""
    with pytest.raises(covet_hasher.RingError) as refused:
        seal(**changed)
    assert reason == refused.value.reason


@pytest.mark.parametrize(
    ("words", "slots"),
    [
        ("has a gap: nobody owns slots 100 to 199", [[0, 99, 0], [200, 16383, 1]]),
        ("has a gap: nobody owns slots 16383 to 16383", [[0, 16382, 0]]),
        ("has an overlap: range 50 to 16383 begins before slot 100", [[0, 99, 0], [50, 16383, 1]]),
        ("places keys on shard id 7, which the map does not list", [[0, 16383, 7]]),
        ("slots 0 to 16384 are no range of the ring", [[0, 16384, 0]]),
        ("the ranges that meet at slot 100 belong to one shard", [[0, 99, 0], [100, 16383, 0]]),
    ],
)
def test_slots_have_exactly_one_owner_or_the_map_is_refused_in_words(words: str, slots: list[list[int]]) -> None:
    """The message names the slots, so that a person can mend the map."""
    groups = [{"name": "default", "strategy": "Hash", "hash": {"bigint": "pg1"}, "slots": slots}]
    with pytest.raises(covet_hasher.RingError, match=words):
        seal(groups=groups, tables={})


def test_a_map_that_was_changed_on_the_way_is_refused() -> None:
    """A cut or edited ConfigMap does not route a single key."""
    text = seal().to_json().replace("8191", "8190").replace("8192", "8191")
    with pytest.raises(covet_hasher.RingError, match="was changed or cut on the way") as refused:
        covet_hasher.Map.from_json(text)
    assert "BadChecksum" == refused.value.reason


def test_an_epoch_never_goes_back_and_never_means_two_maps() -> None:
    """Whoever holds a newer map keeps it."""
    current = seal()
    seal(epoch=5).validate(previous=current)
    current.validate(previous=current)
    for reason, offered in [
        ("StaleEpoch", seal(epoch=3)),
        ("EpochTwice", seal(tables={})),
        ("OtherCluster", seal(cluster="4b2c", epoch=5)),
    ]:
        with pytest.raises(covet_hasher.RingError) as refused:
            offered.validate(previous=current)
        assert reason == refused.value.reason


def test_the_first_map_shares_the_slots_by_weight() -> None:
    """Weights 1, 2 and 5 give an eighth, a quarter and the rest; weight 0 gives nothing."""
    ring = covet_hasher.Map.initial("c", shards=[("a", 1), ("b", 2), ("c", 5), ("d", 0)])
    assert {"a": 2048, "b": 4096, "c": 10240, "d": 0} == ring.slot_counts()
    assert 1 == ring.epoch


@pytest.mark.parametrize("weight", [-1, 2**32])
def test_a_weight_that_a_map_cannot_hold_is_refused(weight: int) -> None:
    """A weight is a share and has no sign."""
    ring = covet_hasher.Map.initial("c", SHARDS)
    for ask in (lambda shards: covet_hasher.Map.initial("c", shards), ring.plan, ring.with_shards):
        with pytest.raises(covet_hasher.RingError, match=f"weight is {weight}, it must be 0 to 4294967295"):
            ask([("s0", 1), ("s1", weight)])


def test_the_hashes_of_a_new_map_can_be_chosen() -> None:
    """A cluster that shall move between engines uses the portable hashes from the start."""
    ring = covet_hasher.Map.initial("c", SHARDS, hashes={"bigint": "cv1", "text": "md1"})
    assert ring.owner(covet_hasher.slot(42, "cv1")) == ring.lookup(42)
    assert ring.owner(covet_hasher.slot("a", "md1")) == ring.lookup("a")
    with pytest.raises(covet_hasher.RingError, match="takes no uuid keys"):
        ring.lookup(uuid.uuid4())


def test_a_change_of_shards_runs_through_maps_that_are_all_true() -> None:
    """Grow, move range by range, finish: each step is the next epoch, and the last map is the plan."""
    ring = covet_hasher.Map.initial("c", SHARDS)
    wanted = [*SHARDS, ("s2", 1)]
    plan = ring.plan(wanted)
    moves = ring.diff(plan)
    assert {"s2"} == {move.target for move in moves}
    assert abs(sum(move.slots for move in moves) - 16384 / 3) < 1
    steps = [ring.with_shards(wanted)]
    steps.extend(itertools.accumulate(moves, lambda before, move: before.with_moves([move]), initial=steps[0]))
    assert plan.slots() == steps[-1].slots()
    for before, after in itertools.pairwise(steps[1:]):
        after.validate(previous=before)
        assert before.epoch + 1 == after.epoch
    assert [] == steps[-1].diff(plan)


def test_a_shard_with_slots_cannot_leave_and_a_move_needs_its_source() -> None:
    """The map never says something that the data does not follow."""
    ring = covet_hasher.Map.initial("c", SHARDS)
    with pytest.raises(covet_hasher.RingError, match='shard "s1" still owns keys') as refused:
        ring.with_shards([("s0", 1)])
    assert "ShardInUse" == refused.value.reason
    with pytest.raises(covet_hasher.RingError, match='do not all belong to "s1"') as refused:
        ring.with_moves([covet_hasher.Move("s1", "s0", 8000, 9000)])
    assert "NotTheOwner" == refused.value.reason


def test_moves_are_values() -> None:
    """Two equal moves are one."""
    move = covet_hasher.Move("s1", "s0", 8192, 9000)
    assert {move} == {move, covet_hasher.Move("s1", "s0", 8192, 9000, group="default")}
    assert 'Move(source="s1", target="s0", first=8192, last=9000, group="default")' == repr(move)
    assert 809 == move.slots
    with pytest.raises(covet_hasher.RingError, match="no range of the ring"):
        covet_hasher.Move("s1", "s0", 9, 8)


def test_maps_that_differ_in_more_than_slots_have_no_moves() -> None:
    """A diff that cannot say everything says nothing."""
    for changed in (seal(tables={}), seal(groups=document()["groups"][:1])):
        with pytest.raises(covet_hasher.RingError) as refused:
            seal().diff(changed)
        assert "NoSlotDiff" == refused.value.reason


def test_nothing_of_a_map_can_be_changed() -> None:
    """Maps are shared between threads and tasks."""
    ring = seal()
    with pytest.raises(AttributeError):
        ring.epoch = 5  # type: ignore[misc]  # the refusal is what is tested
    with pytest.raises(AttributeError):
        ring.shards[0].weight = 5  # type: ignore[misc]  # likewise
