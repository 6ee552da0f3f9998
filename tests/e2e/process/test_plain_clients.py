"""What applications without a router do: libpq, with every instance of the shard in one connection string."""

import asyncio
import os
import subprocess

from tests.e2e.process.shard import DATABASE, LIMIT, OWNER, PASSWORD, Shard

PSQL = "/usr/lib/postgresql/15/bin/psql"


def connection_string(shard: Shard) -> str:
    """Return one that names every instance, as docs/getting-started.md tells it, and where the authority stands."""
    hosts = ",".join(agent.peer.address for agent in shard.agents)
    ports = ",".join(str(agent.peer.sql_port) for agent in shard.agents)
    return (
        f"host={hosts} port={ports} user={OWNER} dbname={DATABASE} target_session_attrs=read-write connect_timeout=2"
        f" tcp_user_timeout=2000 sslmode=verify-full sslrootcert={shard.folder / 'operator' / 'ca.crt'}"
    )


async def answer(shard: Shard, statement: str) -> str:
    """Return what psql prints for a statement; it goes through the hosts by itself."""
    command = [PSQL, connection_string(shard), "-XAtqc", statement]
    environment = {**os.environ, "PGPASSWORD": PASSWORD}
    done = await asyncio.to_thread(
        subprocess.run, command, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
    )
    assert 0 == done.returncode, done.stderr
    return done.stdout.strip()


async def test_a_string_of_every_instance_leads_to_the_primary_whoever_that_is(three: Shard) -> None:
    """The first two hosts are asked and passed over where they are replicas, or where nobody listens."""
    await three.execute("CREATE TABLE t (a int)")
    *_, last = three.agents
    await three.switch_over(last)
    assert last.peer.address == await answer(three, "INSERT INTO t VALUES (1) RETURNING host(inet_server_addr())")
    first, *_ = three.agents
    first.kill_everything()
    assert last.peer.address == await answer(three, "INSERT INTO t VALUES (2) RETURNING host(inet_server_addr())")
    first.start()
    await three.wait_serving()
    await three.switch_over(first)
    assert first.peer.address == await answer(three, "INSERT INTO t VALUES (3) RETURNING host(inet_server_addr())")
