"""The operator's short orders to a leader: open, database, map, seal."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator
from typing import Final

from covet.agent.instance import Instance
from covet.core.agentorders import (
    DatabaseOrder,
    Inside,
    InsideRequest,
    LoginOrder,
    MapOrder,
    OpenOrder,
    RetireOrder,
    SealOrder,
    UnsealOrder,
)
from covet.core.errors import RefusedError
from covet.engines import database, logins, schema, sealing
from covet.engines.sessions import Session

DATABASE: Final = "database"
MAP: Final = "map"
ROW_SECONDS: Final = 4.0
"""How long a write of Covet's own may wait for acknowledgements."""


async def open_shard(inst: Instance, order: OpenOrder) -> None:
    """Remember that the shard is open to clients; the loop lets them in.

    Raises:
        RefusedError: this is not the confirmed leader of that shard.
    """
    if order.shard_uid != inst.spec.shard_uid:
        raise RefusedError("ShardForeign", f"The order is for shard {order.shard_uid}, not for {inst.spec.shard_uid}.")
    inst.leading()
    if inst.identity is not None and not inst.identity.opened:
        await inst.remember_identity(dataclasses.replace(inst.identity, opened=True))
    inst.wake.set()


async def put_database(inst: Instance, order: DatabaseOrder) -> None:
    """Make the application's database and owner, or bring the owner's verifier up to date.

    Raises:
        RefusedError: this is not the confirmed leader.
        SpecError: a name or the verifier cannot be taken.
    """
    inst.leading()
    async with _acknowledged(inst, DATABASE), inst.sql(synchronous=True) as session:
        await database.ensure(session, order, ROW_SECONDS)


async def put_login(inst: Instance, order: LoginOrder) -> None:
    """Make a login role of the database's owner, or bring its verifier up to date.

    Raises:
        RefusedError: this is not the confirmed leader, or the name is taken.
        SpecError: the name or the verifier cannot be taken.
    """
    inst.leading()
    async with inst.sql(synchronous=True) as session:
        await logins.put(session, order, ROW_SECONDS)


async def retire_login(inst: Instance, order: RetireOrder) -> None:
    """Let nobody log in as a role any more.

    Raises:
        RefusedError: this is not the confirmed leader, or a session uses the role.
        SpecError: it is no login of the owner.
    """
    inst.leading()
    async with inst.sql(synchronous=True) as session, inst.sql(synchronous=True, database=order.database) as inside:
        await logins.retire(session, inside, order, ROW_SECONDS)


async def put_map(inst: Instance, order: MapOrder) -> None:
    """Store a newer map; where keys change their owner, only while nothing is there that has one.

    Raises:
        RefusedError: this is not the confirmed leader, or the database cannot be sealed as the map asks.
    """
    inst.leading()
    async with _acknowledged(inst, MAP), inst.sql(synchronous=True) as session:
        if order.seal is not None and await schema.read_epoch(session) < order.epoch:
            async with _inside(inst, session) as inside:
                await sealing.seal(inside, order.seal, ROW_SECONDS)
        await schema.store_map(session, order, ROW_SECONDS)
    inst.map_epoch = max(inst.map_epoch or 0, order.epoch)
    inst.news.set()


async def seal(inst: Instance, order: SealOrder) -> None:
    """Let nothing be made in the application's database.

    Raises:
        RefusedError: this is not the confirmed leader, the database holds something, or a transaction does not end.
    """
    inst.leading()
    async with inst.sql(synchronous=True) as session, _inside(inst, session) as inside:
        await sealing.seal(inside, order, ROW_SECONDS)


async def unseal(inst: Instance, _order: UnsealOrder) -> None:
    """Let clients make things in the application's database again.

    Raises:
        RefusedError: this is not the confirmed leader.
    """
    inst.leading()
    async with inst.sql(synchronous=True) as session, _inside(inst, session) as inside:
        await sealing.unseal(inside, ROW_SECONDS)


async def look_inside(inst: Instance, _request: InsideRequest) -> Inside:
    """Return what the application's database holds.

    Raises:
        RefusedError: this is not the confirmed leader, or there is no such database yet.
    """
    inst.leading()
    async with inst.sql() as session, _inside(inst, session) as inside:
        return await sealing.look(inside)


@contextlib.asynccontextmanager
async def _inside(inst: Instance, session: Session) -> AsyncIterator[Session]:
    """Open a synchronous session on the application's database, which `session` on database postgres names."""
    contents = await schema.read_contents(session)
    if contents.database is None:
        raise RefusedError("DatabaseMissing", "The application's database was not made yet.")
    async with inst.sql(synchronous=True, database=contents.database) as inside:
        yield inside


@contextlib.asynccontextmanager
async def _acknowledged(inst: Instance, what: str) -> AsyncIterator[None]:
    """Keep what a write makes out of the status until followers acknowledged it.

    A restart forgets this, and may: the resumed rule is confirmed up to the end of the whole log.
    """
    inst.unacknowledged.add(what)
    yield
    inst.unacknowledged.discard(what)
