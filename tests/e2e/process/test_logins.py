"""Two logins take turns for one owner: made, used side by side, and taken out of service on a real shard."""

from collections.abc import Callable

import asyncpg
import pytest

from covet.core.agentapi import AgentStatus, Login
from covet.core.agentorders import LoginOrder, RetireOrder
from covet.core.errors import RefusedError, SpecError
from tests.e2e.process.agents import Agent
from tests.e2e.process.shard import DATABASE, OWNER, PASSWORD, Shard, verifier

FIRST, SECOND = "app_a", "app_b"


async def put(shard: Shard, login: str, password: str = PASSWORD) -> None:
    """Order a login with a password."""
    await shard.client.put_login(shard.leader.peer, LoginOrder(OWNER, login, verifier(password)))


async def retire(shard: Shard, login: str) -> None:
    """Order that nobody logs in as a role any more."""
    await shard.client.retire_login(shard.leader.peer, RetireOrder(DATABASE, OWNER, login))


def login_is(role: str, *, allowed: bool, used: bool) -> Callable[[AgentStatus], bool]:
    """Return what tells whether an agent says this of a role."""
    return lambda status: Login(role, allowed=allowed, used=used) in (status.logins or ())


async def test_logins_take_turns_without_locking_anybody_out(three: Shard) -> None:
    """Each login acts as the owner, the one before works until nothing uses it, and what it made is the owner's."""
    follower: Agent = three.followers[0]
    await three.execute("CREATE TABLE t (a integer)")
    await three.execute('ALTER ROLE app SET search_path = public, "a b"')
    three.leader.superuser("ALTER ROLE app SET my.own = 'x''y'")
    old = await three.connect(agent=follower)
    await put(three, FIRST)
    await put(three, FIRST)  # an order that is repeated changes nothing
    new = await three.connect(user=FIRST, statement_cache_size=0)
    assert (OWNER, FIRST) == tuple(await new.fetchrow("SELECT current_user::text, session_user::text"))
    assert ('public, "a b"', "x'y") == tuple(
        await new.fetchrow("SELECT current_setting('search_path'), current_setting('my.own')")
    )
    await new.execute("RESET ROLE")
    await new.execute("INSERT INTO t VALUES (1); CREATE TABLE w (a integer)")
    assert OWNER == await new.fetchval("SELECT tableowner FROM pg_tables WHERE tablename = 'w'")
    await three.wait(follower, login_is(OWNER, allowed=True, used=True))
    await three.wait(three.leader, login_is(OWNER, allowed=True, used=False))
    await three.wait(three.leader, login_is(FIRST, allowed=True, used=True))
    with pytest.raises(RefusedError, match=FIRST):
        await retire(three, FIRST)
    await old.close()
    await three.wait(follower, login_is(OWNER, allowed=True, used=False))
    await retire(three, OWNER)
    with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
        await three.connect()
    for statement in ("DROP TABLE w", "DISCARD ALL", "INSERT INTO t VALUES (2)"):
        await new.execute(statement)
    assert OWNER == await new.fetchval("SELECT current_user::text")
    await new.execute("SET ROLE NONE; CREATE TABLE w (a integer)")
    assert FIRST == await new.fetchval("SELECT tableowner FROM pg_tables WHERE tablename = 'w'")
    await put(three, SECOND, "another")
    await new.close()
    await three.wait(three.leader, login_is(FIRST, allowed=True, used=False))
    await retire(three, FIRST)
    await retire(three, FIRST)
    last = await three.connect(user=SECOND, password="another")  # noqa: S106 -- of this test
    assert OWNER == await last.fetchval("SELECT tableowner FROM pg_tables WHERE tablename = 'w'")
    await last.execute("DROP TABLE w")
    await last.close()
    # A shard that is used again begins with its owner's own password.
    await three.put_database()
    three.leader.superuser("ALTER ROLE app RESET ALL")


async def test_a_role_of_that_name_is_left_alone(one: Shard) -> None:
    """A login is refused where its name is taken, where it is no login of the owner, and without a verifier."""
    one.leader.superuser(f"DROP ROLE IF EXISTS {FIRST}", f"CREATE ROLE {FIRST} SUPERUSER NOLOGIN")
    try:
        with pytest.raises(RefusedError, match="app_a"):
            await put(one, FIRST)
        assert "f" == one.leader.superuser("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'app_a'")
    finally:
        one.leader.superuser(f"DROP ROLE {FIRST}")
    for order in (LoginOrder(OWNER, "covet", verifier(PASSWORD)), LoginOrder(OWNER, FIRST, "plain")):
        with pytest.raises((SpecError, RefusedError)):
            await one.client.put_login(one.leader.peer, order)
    with pytest.raises(RefusedError):
        await one.client.put_login(one.leader.peer, LoginOrder("other", "other_a", verifier(PASSWORD)))
    with pytest.raises((SpecError, RefusedError)):
        await one.client.retire_login(one.leader.peer, RetireOrder(DATABASE, OWNER, "covet"))
