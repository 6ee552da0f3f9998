"""The ring and a real PostgreSQL agree: its hashes are the server's own, its SQL is accepted where it is needed."""

import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator

import asyncpg
import covet_hasher
import pytest
import pytest_asyncio

PROGRAMS = pathlib.Path("/usr/lib/postgresql/15/bin")
USER = "postgres" if os.getuid() == 0 else None
SEED = covet_hasher.PG1_SEED
PAGE = (pathlib.Path(__file__).resolve().parents[3] / "docs" / "ring.md").read_text()
KEYS = 10_000
LIMIT = 30.0
"""Seconds that a question to the server may take."""

TYPES = ("smallint", "integer", "bigint", "text", "varchar(300)", "uuid")
KEY_TYPES = {"smallint": "bigint", "integer": "bigint", "varchar(300)": "text"}
SERVER_HASH = {"bigint": "hashint8extended", "text": "hashtextextended", "uuid": "uuid_hash_extended"}


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, int]]:
    """A plain server of its own on loopback, gone with its folder afterwards."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="covet-ring-"))
    if USER is not None:
        shutil.chown(folder, USER)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = f"-p {port} -c listen_addresses=127.0.0.1 -k {folder} -c wal_level=logical -c fsync=off"
    data, log = str(folder / "data"), str(folder / "log")
    run("initdb", "-D", data, "-A", "trust", "-U", "covet", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
    run("pg_ctl", "-D", data, "-l", log, "-o", settings, "-w", "-t", "30", "start")
    yield "127.0.0.1", port
    run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    shutil.rmtree(folder)


def run(program: str, *arguments: str) -> None:
    """Run a program of the server as a user that it accepts."""
    subprocess.run(
        [PROGRAMS / program, *arguments], user=USER, cwd="/", stdout=subprocess.DEVNULL, timeout=60, check=True
    )


@pytest_asyncio.fixture(loop_scope="session")
async def sql(server: tuple[str, int]) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """A session in an empty schema of its own."""
    host, port = server
    session = await asyncpg.connect(
        host=host, port=port, user="covet", database="postgres", ssl=False, timeout=LIMIT, command_timeout=LIMIT
    )
    await session.execute("DROP SCHEMA IF EXISTS ring CASCADE; CREATE SCHEMA ring; SET search_path = ring")
    yield session
    await session.close(timeout=LIMIT)


def draw_keys(key_type: str, count: int) -> list[int] | list[str] | list[uuid.UUID]:
    """Draw keys of all sizes, the same ones in each run."""
    chance = random.Random(key_type)
    if key_type == "bigint":
        return [chance.randint(-(2**bits), 2**bits - 1) for bits in (chance.randint(1, 63) for _ in range(count))]
    if key_type == "uuid":
        return [uuid.UUID(int=chance.getrandbits(128)) for _ in range(count)]
    letters = "abcXYZ019 -_/@'\"\\\n\t" + "äßñΩЖ日本語🦀"
    return ["".join(chance.choices(letters, k=chance.randint(0, 60))) for _ in range(count)]


def signed_position(server_hash: int) -> int:
    """Turn the server's signed hash into a ring position."""
    return (server_hash ^ -(2**63)) % 2**64 >> 32


@pytest.mark.parametrize("key_type", ["bigint", "text", "uuid"])
async def test_pg1_is_the_servers_own_hash(sql: "asyncpg.Connection[asyncpg.Record]", key_type: str) -> None:
    """10,000 keys of each type lie where the server's extended hash function puts them."""
    keys = draw_keys(key_type, KEYS)
    question = (
        f"SELECT {SERVER_HASH[key_type]}(k, {SEED}) FROM unnest($1::{key_type}[]) WITH ORDINALITY AS t(k, n) ORDER BY n"  # noqa: S608  built from constants of this test
    )
    answers = [signed_position(row[0]) for row in await sql.fetch(question, keys)]
    assert answers == [covet_hasher.position(key) for key in keys]


async def test_the_slot_of_a_row_is_a_shift_as_the_page_says(sql: "asyncpg.Connection[asyncpg.Record]") -> None:
    """The statement of docs/ring.md gives the slot without any library."""
    statement = next(line for line in PAGE.splitlines() if line.startswith("SELECT") and "AS slot" in line)
    keys = draw_keys("bigint", 1000)
    await sql.execute("CREATE TABLE customers (n int GENERATED ALWAYS AS IDENTITY, tenant_id bigint)")
    await sql.copy_records_to_table(
        "customers", records=[(key,) for key in keys], columns=["tenant_id"], schema_name="ring"
    )
    slots = [row[0] for row in await sql.fetch(statement.rstrip(";") + " ORDER BY n")]
    assert slots == [covet_hasher.slot(key) for key in keys]


@pytest.mark.parametrize(("key_type", "hash_name"), [("bigint", "cv1"), ("text", "md1")])
async def test_portable_hashes_can_be_computed_by_the_server(
    sql: "asyncpg.Connection[asyncpg.Record]", key_type: str, hash_name: str
) -> None:
    """The SQL of cv1 and md1 gives the position itself, without an overflow at any key."""
    keys = [*draw_keys(key_type, KEYS), *([2**63 - 1, -(2**63), 0, -1] if key_type == "bigint" else [])]
    expression = covet_hasher.sql_expression("k", key_type, hash_name)
    question = f"SELECT {expression} FROM unnest($1::{key_type}[]) WITH ORDINALITY AS t(k, n) ORDER BY n"  # noqa: S608  the generated SQL is what is tested
    answers = [row[0] for row in await sql.fetch(question, keys)]
    assert answers == [covet_hasher.position(key, hash_name) for key in keys]


@pytest.mark.parametrize("column_type", TYPES)
async def test_predicates_of_shards_split_the_rows_of_a_table(
    sql: "asyncpg.Connection[asyncpg.Record]", column_type: str
) -> None:
    """Each row is seen through exactly one shard's predicate, and lookup names that shard."""
    key_type = KEY_TYPES.get(column_type, column_type)
    keys = draw_keys(key_type, 3000)
    if column_type in ("smallint", "integer"):
        bits = 16 if column_type == "smallint" else 32
        keys = [(int(str(key)) + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1) for key in keys]
    await sql.execute(f'CREATE TABLE t ("the ""key" {column_type})')
    await sql.copy_records_to_table("t", records=[(key,) for key in keys], schema_name="ring")
    ring = covet_hasher.Map.initial("c", [("s0", 1), ("s1", 2), ("s2", 1)]).plan([("s0", 2), ("s1", 1), ("s3", 3)])
    for shard in ring.shards:
        predicate = ring.sql_predicate(shard.name, 'the "key', key_type)
        rows = await sql.fetch(f'SELECT "the ""key" FROM t WHERE {predicate}')  # noqa: S608  the generated SQL is what is tested
        expected = [key for key in keys if ring.lookup(key).name == shard.name]
        assert sorted(expected, key=str) == sorted((row[0] for row in rows), key=str)


FORMS = [
    ("bigint", "bigint", "pg1"),
    ("integer", "bigint", "pg1"),
    ("smallint", "bigint", "pg1"),
    ("text", "text", "pg1"),
    ("varchar(40)", "text", "pg1"),
    ("uuid", "uuid", "pg1"),
    ("bigint", "bigint", "cv1"),
    ("integer", "bigint", "cv1"),
    ("text", "text", "md1"),
]


@pytest.mark.parametrize(("column_type", "key_type", "hash_name"), FORMS)
async def test_a_check_constraint_keeps_rows_of_other_slots_out(
    sql: "asyncpg.Connection[asyncpg.Record]", column_type: str, key_type: str, hash_name: str
) -> None:
    """A shard that checks its slots cannot take a row that is not its own."""
    predicate = covet_hasher.sql_predicate("k", key_type, 0, 8191, hash_name)
    await sql.execute(f"CREATE TABLE t (k {column_type} PRIMARY KEY, CHECK ({predicate}))")
    keys = [abs(key) % 2**15 if isinstance(key, int) else key for key in draw_keys(key_type, 40)]
    keys = list(dict.fromkeys(key if not isinstance(key, str) else key[:40] for key in keys))
    refused = []
    for key in keys:
        try:
            await sql.execute("INSERT INTO t VALUES ($1)", key)
        except asyncpg.CheckViolationError:
            refused.append(key)
    assert [key for key in keys if covet_hasher.slot(key, hash_name) > 8191] == refused
    assert 0 < len(refused) < len(keys)


@pytest.mark.parametrize(("column_type", "key_type", "hash_name"), FORMS)
async def test_an_index_serves_the_predicate(
    sql: "asyncpg.Connection[asyncpg.Record]", column_type: str, key_type: str, hash_name: str
) -> None:
    """Finding the rows of some slots reads an index range and not the table."""
    expression = covet_hasher.sql_expression("k", key_type, hash_name)
    predicate = covet_hasher.sql_predicate("k", key_type, 100, 103, hash_name)
    await sql.execute(f"CREATE TABLE t (k {column_type}); CREATE INDEX by_slot ON t (({expression}))")
    await sql.execute("SET enable_seqscan = off")
    plan = [row[0] for row in await sql.fetch(f"EXPLAIN SELECT k FROM t WHERE {predicate}")]  # noqa: S608  the generated SQL is what is tested
    condition = next(line for line in plan if "Index Cond" in line)
    assert (True, True, False) == (">=" in condition, "<=" in condition, any("Filter" in line for line in plan))


@pytest.mark.parametrize(("column_type", "key_type", "hash_name"), FORMS)
async def test_a_publication_filters_by_the_predicate(
    sql: "asyncpg.Connection[asyncpg.Record]", column_type: str, key_type: str, hash_name: str
) -> None:
    """Moving slots publishes their rows alone."""
    predicate = covet_hasher.sql_predicate("k", key_type, 0, 4095, hash_name)
    await sql.execute(f"CREATE TABLE t (k {column_type} PRIMARY KEY)")
    await sql.execute("DROP PUBLICATION IF EXISTS moving")
    await sql.execute(f"CREATE PUBLICATION moving FOR TABLE ring.t WHERE ({predicate})")
    assert 1 == await sql.fetchval("SELECT count(*) FROM pg_publication_tables WHERE rowfilter IS NOT NULL")
    await sql.execute("DROP PUBLICATION moving")


@pytest.mark.parametrize("hash_name", ["pg1", "cv1", "md1"])
async def test_a_healthy_server_answers_the_probe(sql: "asyncpg.Connection[asyncpg.Record]", hash_name: str) -> None:
    """The questions that open a cluster are answered with the numbers that the ring expects."""
    question, expected = covet_hasher.sql_probe(hash_name)
    row = await sql.fetchrow(question)
    assert row is not None
    assert expected == list(row.values())
