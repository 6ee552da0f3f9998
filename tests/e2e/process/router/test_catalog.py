"""What a router knows of the tables of three shards, and how soon it knows of a change."""

import json
import pathlib
import time
from collections.abc import Callable

from tests.e2e.process.router.front import DATABASE, LIMIT, Front
from tests.e2e.process.router.sessions import run
from tests.e2e.process.router.trio import Trio

TABLES = """
CREATE TABLE customers (tenant_id bigint PRIMARY KEY, name text DEFAULT 'x');
CREATE TABLE orders (id bigserial, tenant_id bigint, PRIMARY KEY (tenant_id, id));
CREATE TABLE countries (code text PRIMARY KEY, area bigint DEFAULT 0);
CREATE TABLE notes (text text);
CREATE VIEW rich AS SELECT * FROM customers;
"""
SHARDING = {"key": "tenant_id", "tables": {"countries": {"reference": True}}}
KNOWN = {
    ("public.countries", "reference", "", ""),
    ("public.customers", "sharded", "tenant_id", ""),
    ("public.notes", "refused", "", "the map places neither the rows of this table nor calls it a reference table"),
    ("public.orders", "sharded", "tenant_id", ""),
    ("public.rich", "refused", "", "not a plain or partitioned table"),
}


def catalog(front: Front) -> set[tuple[str, ...]]:
    """Return table, place, key and message of every row that the router tells of its catalog."""
    done = run(front, "psql", "-XAt", "-c", "SHOW COVET CATALOG")
    assert 0 == done.returncode, done.stderr
    rows = [line.split("|") for line in done.stdout.splitlines()]
    return {(*row[2:5], row[5].split(": public.")[0]) if row[3] == "refused" else tuple(row[2:]) for row in rows}


def until(front: Front, meets: Callable[[set[tuple[str, ...]]], bool]) -> set[tuple[str, ...]]:
    """Return the catalog once it is as it should be."""
    end = time.monotonic() + LIMIT
    while not meets(seen := catalog(front)):
        assert time.monotonic() < end, (seen, front.log())
        time.sleep(0.05)
    return seen


def test_every_table_of_three_shards_is_known_with_its_place(trio: Trio, folder: pathlib.Path) -> None:
    """Once somebody has logged in, the router tells for each table where its rows are, or why it is refused."""
    trio.everywhere(TABLES)
    with trio.front(folder, sharding=SHARDING) as front:
        assert KNOWN == until(front, bool)


def test_a_shard_that_differs_is_named_with_table_and_column(trio: Trio, folder: pathlib.Path) -> None:
    """Drift past the router is noticed within seconds, and said with shard, table and column; repaired, it is gone."""
    trio.everywhere(TABLES)
    with trio.front(folder, sharding=SHARDING) as front:
        until(front, KNOWN.__eq__)
        trio.servers["s1"].psql("ALTER TABLE customers ADD COLUMN note text", DATABASE)
        trio.servers["s2"].psql("DROP TABLE orders", DATABASE)
        trio.servers["s2"].psql("ALTER TABLE countries ALTER code TYPE varchar(9)", DATABASE)
        said = [
            "shard s1: public.customers has a column note, which shard s0 has not",
            "shard s2: public.countries has column code of type character varying(9), shard s0 of type text",
            "shard s2: public.orders is missing, shard s0 has it",
        ]
        seen = until(front, lambda rows: said == sorted(row[3] for row in rows if row[1] == "fault"))
        assert ("public.customers", "sharded", "tenant_id", "") in seen
        refused = {row[0] for row in seen if row[1] == "refused"}
        assert {"public.notes", "public.orders", "public.rich"} == refused
        trio.servers["s1"].psql("ALTER TABLE customers DROP COLUMN note", DATABASE)
        trio.servers["s2"].psql("ALTER TABLE countries ALTER code TYPE text", DATABASE)
        orders = "CREATE TABLE orders (id bigserial, tenant_id bigint, PRIMARY KEY (tenant_id, id))"
        trio.servers["s2"].psql(orders, DATABASE)
        until(front, KNOWN.__eq__)


def test_a_reload_with_other_tables_reads_anew(trio: Trio, folder: pathlib.Path) -> None:
    """A table that the configuration now places is placed within seconds, without a restart and a new login."""
    trio.everywhere(TABLES)
    with trio.front(folder, sharding=SHARDING) as front:
        until(front, KNOWN.__eq__)
        front.document["sharding"] = {"key": "tenant_id", "tables": {"notes": {"reference": True}}}
        front.write()
        seen = until(front, lambda rows: ("public.notes", "reference", "", "") in rows)
        assert "public.countries" in {row[0] for row in seen if row[1] == "refused"}


def test_a_map_that_goes_back_or_is_anothers_is_refused(trio: Trio, folder: pathlib.Path) -> None:
    """The router keeps the map in force where a file offers an older one, and says so."""
    with trio.front(folder) as front:
        document = json.loads(trio.ring.to_json()) | {"epoch": 7}
        del document["crc32c"]
        path = folder / "map.json"
        path.write_text(type(trio.ring).seal(json.dumps(document)).to_json())
        end = time.monotonic() + LIMIT
        while "a new configuration is in force" not in front.log():
            assert time.monotonic() < end, front.log()
            time.sleep(0.05)
        path.write_text(trio.ring.to_json())
        while "the new map is refused" not in front.log():
            assert time.monotonic() < end, front.log()
            time.sleep(0.05)


def test_no_statement_passes_before_there_is_routing(trio: Trio, folder: pathlib.Path) -> None:
    """Before several shards nothing is sent to any of them: the refusal says what the router does not do yet."""
    with trio.front(folder) as front:
        done = run(front, "psql", "-XAt", "-v", "VERBOSITY=verbose", "-c", "CREATE TABLE t (tenant_id bigint)")
        assert 2 == done.returncode
        assert "0A000" in done.stderr
        assert "does not route statements over several shards yet" in done.stderr
    assert "" == trio.servers["s0"].psql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", DATABASE)
