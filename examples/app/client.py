"""A client that does its own sharding: the ring chooses the shard, the shard's Service takes the write.

It shows what an application does as long as there is no router, and it is what `make demo` runs as a Job:
create a table on every shard, write rows by key, read every row back from primaries and replicas over
verified TLS, and print one JSON line per event on standard output.

Environment: COVET_CLUSTER, COVET_NAMESPACE, COVET_ROWS; files: /etc/covet/map/map.json (the ConfigMap
`<cluster>-map`), /etc/covet/trust/ca.crt (`<cluster>-trust`), /etc/covet/user (the Secret `<cluster>-app`).
"""

import asyncio
import contextlib
import json
import os
import pathlib
import ssl
import time
from collections.abc import AsyncIterator

import asyncpg
import covet_hasher

FILES = pathlib.Path(os.environ.get("COVET_FILES", "/etc/covet"))
CLUSTER = os.environ["COVET_CLUSTER"]
NAMESPACE = os.environ["COVET_NAMESPACE"]
ROWS = int(os.environ.get("COVET_ROWS", "10000"))
BATCH = 500
CREATE = (
    "CREATE TABLE IF NOT EXISTS customers (tenant_id bigint PRIMARY KEY, name text NOT NULL, balance bigint NOT NULL)"
)
INSERT = "INSERT INTO customers VALUES ($1, $2, $3) ON CONFLICT (tenant_id) DO UPDATE SET name = $2, balance = $3"
SELECT = "SELECT tenant_id, name, balance FROM customers WHERE tenant_id = ANY($1)"

Row = tuple[int, str, int]


def tell(event: str, **fields: object) -> None:
    """Print one event as a JSON line."""
    print(json.dumps({"event": event, "at": round(time.time(), 3), **fields}), flush=True)


@contextlib.asynccontextmanager
async def connected(shard: str, service: str) -> AsyncIterator[asyncpg.Connection]:
    """Open one verified TLS session to a Service of a shard; close it afterwards."""
    context = ssl.create_default_context(cafile=str(FILES / "trust" / "ca.crt"))
    user = {name: (FILES / "user" / name).read_text() for name in ("username", "password", "database")}
    connection = await asyncpg.connect(
        host=f"{CLUSTER}-{shard}-{service}.{NAMESPACE}.svc",
        user=user["username"],
        password=user["password"],
        database=user["database"],
        ssl=context,
        timeout=10,
        command_timeout=30,
    )
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


def rows_by_shard(ring: covet_hasher.Map) -> dict[str, list[Row]]:
    """Return the demo's rows, each under the shard that the ring chose for its key."""
    keys = [7_919 * number - 1_000_000 for number in range(ROWS)]
    names = {shard.id: shard.name for shard in ring.shards}
    shards: dict[str, list[Row]] = {name: [] for name in names.values()}
    for key, shard in zip(keys, ring.lookup_many(keys), strict=True):
        shards[names[shard]].append((key, f"customer {key}", key * 3 + 1))
    return shards


async def write(shard: str, rows: list[Row]) -> None:
    """Write the rows of one shard through its read-write Service, in transactions of BATCH rows."""
    async with connected(shard, "rw") as connection:
        await connection.execute(CREATE)
        for start in range(0, len(rows), BATCH):
            await connection.executemany(INSERT, rows[start : start + BATCH])
            tell("written", shard=shard, rows=min(start + BATCH, len(rows)))


async def read(shard: str, service: str, rows: list[Row]) -> None:
    """Read every row of one shard back and compare it; wait for a replica that has not replayed it yet."""
    wanted = sorted(rows)
    async with connected(shard, service) as connection:
        deadline = time.monotonic() + 20
        while True:
            found = sorted(tuple(row) for row in await connection.fetch(SELECT, [row[0] for row in rows]))
            if found == wanted or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.1)
        replica = await connection.fetchval("SELECT pg_is_in_recovery()")
        cipher = await connection.fetchval("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        size = await connection.fetchval("SELECT pg_total_relation_size('customers')")
    correct = len(set(found) & set(wanted))
    tell(
        "read", shard=shard, service=service, rows=correct, wanted=len(wanted), bytes=size, tls=cipher, replica=replica
    )
    if found != wanted or cipher is None or replica != (service == "ro"):
        raise SystemExit(f"{shard}-{service}: {correct} of {len(wanted)} rows, TLS {cipher}, replica {replica}")


async def main() -> None:
    """Write, read from primaries, read from replicas, and say how long each took."""
    ring = covet_hasher.Map.from_json((FILES / "map" / "map.json").read_text())
    shards = rows_by_shard(ring)
    for step, work in (
        ("write", [write(shard, rows) for shard, rows in shards.items()]),
        ("read-primaries", [read(shard, "rw", rows) for shard, rows in shards.items()]),
        ("read-replicas", [read(shard, "ro", rows) for shard, rows in shards.items()]),
    ):
        begun = time.monotonic()
        await asyncio.gather(*work)
        tell("step", name=step, seconds=round(time.monotonic() - begun, 3))


if __name__ == "__main__":
    asyncio.run(main())
