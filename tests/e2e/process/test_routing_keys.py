"""The router reads sharding keys as PostgreSQL does: whatever the spelling, the same shard, or a refusal."""

import json
import os
import pathlib
import random
import shutil
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from typing import Any

import asyncpg
import covet_hasher
import pytest

from tools import bootstrap

PROGRAMS = pathlib.Path("/usr/lib/postgresql/15/bin")
USER = "postgres" if os.getuid() == 0 else None
LIMIT = 60.0
"""Seconds that a question to the server may take."""
FORMS = 250
"""Spellings for each type of column."""
TYPES = {
    "smallint": "bigint",
    "integer": "bigint",
    "bigint": "bigint",
    "text": "text",
    "character varying(20)": "text",
    "uuid": "uuid",
}
LETTERS = "abcXYZ019 -_/@'\"\\\t" + "äßñ日🦀"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The port of a plain server of its own on loopback, gone with its folder afterwards."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="covet-keys-"))
    if USER is not None:
        shutil.chown(folder, USER)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number = probe.getsockname()[1]
    data, log = str(folder / "data"), str(folder / "log")
    run("initdb", "-D", data, "-A", "trust", "-U", "covet", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")
    settings = f"-p {number} -c listen_addresses=127.0.0.1 -k {folder} -c fsync=off"
    run("pg_ctl", "-D", data, "-l", log, "-o", settings, "-w", "-t", "60", "start")
    yield number
    run("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
    shutil.rmtree(folder)


def run(program: str, *arguments: str) -> None:
    """Run a program of the server as a user that it accepts."""
    subprocess.run(
        [PROGRAMS / program, *arguments], user=USER, cwd="/", stdout=subprocess.DEVNULL, timeout=120, check=True
    )


@pytest.fixture(scope="module")
def router() -> pathlib.Path:
    """The example that tells where statements go, compiled with the profile of the Rust tests, which made it."""
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", bootstrap.CACHE / "cargo-target"))
    command = ["cargo", "build", "--locked", "--quiet", "--profile", "test", "-p", "covet-router", "--example", "route"]
    environment = os.environ | {"CARGO_TARGET_DIR": str(target)}
    subprocess.run(command, cwd=bootstrap.ROOT / "rust-hasher", env=environment, timeout=850, check=True)
    return target / "debug" / "examples" / "route"


def quoted(text: str) -> str:
    """Write text as a plain string."""
    return "'" + text.replace("'", "''") + "'"


def escaped(text: str, chance: random.Random) -> str:
    """Write text as a string with escapes, some of them needless."""
    short = {"\t": "\\t", "\n": "\\n", "\\": "\\\\", "'": "\\'"}
    codes = ("\\x{:02x}", "\\{:03o}", "\\x{:x}", "\\u{:04x}")
    pieces = []
    for letter in text:
        if letter.isascii() and chance.random() < 0.3:
            pieces.append(chance.choice(codes).format(ord(letter)))
        else:
            pieces.append(short.get(letter, letter))
    return "E'" + "".join(pieces) + "'"


def integer(chance: random.Random) -> str:
    """Spell an integer, mostly as one may."""
    bits = chance.choice((4, 14, 15, 16, 30, 31, 32, 62, 63, 64))
    number = chance.randint(-(2**bits), 2**bits)
    text = chance.choice(("{}", " {} ", "+{}", "00{}", "\t{}\n", "{}.0", "0x{}", "1_{}", "{}e1", "- {}", "")).format(
        number
    )
    cast = chance.choice(("bigint", "int", "smallint", "int8", "int4", "text", "numeric", "float8", "int2"))
    return chance.choice(
        (
            str(number),
            str(abs(number)),
            f"-{abs(number)}",
            f"- {abs(number)}",
            f"+{abs(number)}",
            f"({number})",
            quoted(text),
            escaped(text, chance),
            f"$k${text}$k$",
            f"{quoted(text)}::{cast}",
            f"{number}::{cast}",
            f"-{abs(number)}::{cast}",
            f"CAST({number} AS {cast})",
            f"-(-{abs(number)})",
            f"{number}.0",
            f"{number}.5",
            f"{abs(number)}e2",
            f"U&{quoted(text)}",
            "NULL",
            "true",
            "B'101'",
            "'x'",
            f"000{abs(number)}",
            "DEFAULT",
        )
    )


def string(chance: random.Random) -> str:
    """Spell a text."""
    text = "".join(chance.choices(LETTERS, k=chance.randint(0, 24)))
    cast = chance.choice(("text", "varchar", "character varying", "varchar(3)", "char(5)", "name", "bytea", "uuid"))
    tagged = f"$k${text}$k$"
    return chance.choice(
        (
            quoted(text),
            quoted(text),
            escaped(text, chance),
            escaped(text, chance),
            tagged,
            f"{quoted(text)}::{cast}",
            f"CAST({tagged} AS {cast})",
            f"N{quoted(text)}",
            f"{quoted(text)} || 'x'",
            "5",
            f"U&{quoted(text)}",
            "NULL",
            f'{quoted(text)} COLLATE "C"',
            f"'a'\n{quoted(text)}",
            f"E'a'\n{quoted(text)}",
            f"({quoted(text)})",
        )
    )


def identity(chance: random.Random) -> str:
    """Spell a uuid, or nearly one."""
    digits = uuid.UUID(int=chance.getrandbits(128)).hex
    digits = chance.choice((digits, digits, digits.upper(), digits[:-1], digits + "0"))
    step = chance.choice((4, 4, 8, 2, 3))
    dashed = "-".join(digits[at : at + step] for at in range(0, len(digits), step))
    usual = str(uuid.UUID(digits)) if len(digits) == 32 else digits
    text = chance.choice((digits, usual, usual, dashed, f"{{{usual}}}", f"{{{digits}", f" {usual}", f"{usual}-"))
    cast = chance.choice(("uuid", "text", "bytea"))
    return chance.choice((quoted(text), quoted(text), escaped(text, chance), f"$${text}$$", f"{quoted(text)}::{cast}"))


def spellings(key_type: str) -> list[str]:
    """Draw spellings, the same ones in each run."""
    chance = random.Random(key_type)
    draw = {"bigint": integer, "text": string, "uuid": identity}[key_type]
    return [draw(chance) for _ in range(FORMS)]


def ask(router: pathlib.Path, ring: covet_hasher.Map, column_type: str, statements: list[str]) -> list[dict[str, Any]]:
    """Ask the router where statements on table t with key k would go."""
    document = json.loads(ring.to_json())
    del document["crc32c"]
    document["tables"] = {"t": {"group": "default", "key": "k"}}
    relation = {"schema": "public", "name": "t", "kind": "r", "rules": False, "columns": [["k", column_type]]}
    setup = {"map": document, "relations": [relation], "functions": [], "search_path": ["public"]}
    lines = [setup, *({"sql": statement} for statement in statements)]
    said = subprocess.run(
        [router],
        input="".join(json.dumps(line) + "\n" for line in lines),
        text=True,
        capture_output=True,
        timeout=120,
        check=True,
    )
    return [json.loads(line) for line in said.stdout.splitlines()]


@pytest.mark.timeout(900)  # the first may have to compile
@pytest.mark.parametrize("column_type", TYPES)
async def test_a_row_lies_where_the_router_sends_its_key(port: int, router: pathlib.Path, column_type: str) -> None:
    """Each spelling that the router takes either fails at the server, or means a key of the shard that it names."""
    key_type = TYPES[column_type]
    ring = covet_hasher.Map.initial("c", [("s0", 1), ("s1", 1), ("s2", 1), ("s3", 1)])
    forms = spellings(key_type)
    inserts = [f"INSERT INTO t (k) VALUES ({form})" for form in forms]  # noqa: S608  the spellings are what is tested
    reads = [f"SELECT k FROM t WHERE k = {form}" for form in forms]  # noqa: S608  the spellings are what is tested
    told = ask(router, ring, column_type, inserts + reads)
    session = await asyncpg.connect(
        host="127.0.0.1", port=port, user="covet", database="postgres", ssl=False, timeout=LIMIT, command_timeout=LIMIT
    )
    taken = {"insert": 0, "read": 0}
    try:
        await session.execute(f"DROP TABLE IF EXISTS t; CREATE TABLE t (k {column_type})")
        for at, statement in enumerate(inserts):
            keys = await keys_of(session, f"{statement} RETURNING k")
            taken["insert"] += check(ring, statement, keys, told[at])
        for at, statement in enumerate(reads):
            keys = await keys_of(session, statement)
            taken["read"] += check(ring, statement, keys, told[len(inserts) + at])
    finally:
        await session.close(timeout=LIMIT)
    assert taken["insert"] >= FORMS // 10, taken
    assert taken["read"] >= FORMS // 10, taken


async def keys_of(session: "asyncpg.Connection[asyncpg.Record]", statement: str) -> list[Any]:
    """The keys of the rows that a statement gives; none when the server refuses it."""
    try:
        return [row[0] for row in await session.fetch(statement)]
    except asyncpg.PostgresError:
        return []


def check(ring: covet_hasher.Map, statement: str, keys: list[Any], told: dict[str, Any]) -> bool:
    """Whether router and server both took the statement; fails when they differ in where the rows lie."""
    if "shards" not in told or not keys:
        assert "refused" in told or "shards" in told, (statement, told)
        return False
    expected = {ring.lookup(uuid.UUID(str(key)) if isinstance(key, uuid.UUID) else key).name for key in keys}
    assert expected <= set(told["shards"]), (statement, keys, told)
    return True
