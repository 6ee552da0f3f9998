"""Login roles of the application's owner: made, read, and taken out of service.

Two roles take turns, so that a password is replaced while the one before it still opens sessions. Each is a member of
the owner and becomes the owner as its session begins: whatever it makes is the owner's.
At birth the owner logs in itself.
"""

from typing import Any, Final

from covet.core import names
from covet.core.agentapi import Login
from covet.core.agentorders import LoginOrder, RetireOrder
from covet.core.errors import RefusedError, SpecError
from covet.engines import database, wal
from covet.engines.quoting import identifier, literal
from covet.engines.sessions import Session

_LOGINS: Final = """
SELECT rolname, rolcanlogin, EXISTS (SELECT FROM pg_stat_activity WHERE usesysid = pg_roles.oid) AS used
  FROM pg_roles WHERE rolname = ANY ($1::text[]) ORDER BY rolname
"""
_OURS: Final = """
SELECT rolcanlogin, rolpassword,
       pg_has_role(pg_authid.oid, $2::name, 'MEMBER')
       AND EXISTS (SELECT FROM pg_db_role_setting WHERE setrole = pg_authid.oid AND setdatabase = 0
                                                    AND 'role=' || $2 = ANY (setconfig)) AS ours
  FROM pg_authid WHERE rolname = $1
"""
_SETTINGS: Final = """
SELECT datname, split_part(entry, '=', 1) AS name, substr(entry, strpos(entry, '=') + 1) AS value
  FROM pg_db_role_setting LEFT JOIN pg_database ON pg_database.oid = setdatabase, unnest(setconfig) AS entry
 WHERE setrole = (SELECT oid FROM pg_roles WHERE rolname = $1)
 ORDER BY 1, 2
"""


async def read(session: Session) -> tuple[Login, ...]:
    """Return the owner and its login roles as far as they exist, with who is in session here; on any server."""
    owner = await session.value("SELECT owner FROM covet.application")
    if owner is None:
        return ()
    rows = await session.rows(_LOGINS, [owner, *names.logins(owner)])
    return tuple(Login(row["rolname"], allowed=row["rolcanlogin"], used=row["used"]) for row in rows)


async def put(session: Session, order: LoginOrder, limit: float) -> None:
    """Make a login role of the owner, or bring its verifier up to date; on a synchronous session.

    The owner's own settings (`ALTER ROLE ... SET`) are copied, for a session takes those of its login. Until
    the last statement the role cannot log in: whatever is interrupted is repeated.

    Raises:
        RefusedError: there is no such owner, or a role of that name is somebody else's.
        SpecError: the name or the verifier cannot be taken.
        SqlError: the server refused, or acknowledgements did not come in time.
    """
    _require(order.owner, order.login)
    if order.login == order.owner or not database.is_verifier(order.verifier):
        raise SpecError(
            "LoginInvalid", f"{order.login!r} needs a name beside the owner's, and a SCRAM-SHA-256 verifier."
        )
    if await session.value("SELECT owner FROM covet.application") != order.owner:
        raise RefusedError("OwnerUnknown", f"{order.owner} does not own this shard's database.")
    known = await session.row(_OURS, order.login, order.owner)
    if known is None:
        await session.execute(
            f"CREATE ROLE {identifier(order.login)} NOLOGIN IN ROLE {identifier(order.owner)};"
            f" ALTER ROLE {identifier(order.login)} SET role TO {literal(order.owner)}",
            limit=limit,
        )
    elif not known["ours"]:
        raise RefusedError(
            "LoginTaken",
            f"A role {order.login} is there that Covet did not make: rename it, and the rotation goes on.",
        )
    await session.execute(_copied(order.login, order.owner, await session.rows(_SETTINGS, order.owner)), limit=limit)
    if known is None or not known["rolcanlogin"] or known["rolpassword"] != order.verifier:
        await session.execute(
            f"ALTER ROLE {identifier(order.login)} LOGIN PASSWORD {literal(order.verifier)}", limit=limit
        )
    await wal.await_acknowledgement(session, limit)


def _copied(login: str, owner: str, settings: list[Any]) -> str:
    """Return the statements, one transaction, that give a role the settings of the owner and none else.

    A value is set for the transaction and taken over from there: lists keep their form whatever they hold.
    """
    found = [
        f"ALTER ROLE {identifier(login)} RESET ALL",
        f"ALTER ROLE {identifier(login)} SET role TO {literal(owner)}",
    ]
    for row in settings:
        if row["name"] == "role":
            continue
        found.append(f"SELECT set_config({literal(row['name'])}, {literal(row['value'])}, true)")
        if row["datname"] is None:
            found.append(f"ALTER ROLE {identifier(login)} SET {identifier(row['name'])} FROM CURRENT")
        else:
            found.append(
                f"ALTER ROLE {identifier(login)} IN DATABASE {identifier(row['datname'])}"
                f" SET {identifier(row['name'])} FROM CURRENT"
            )
    return "; ".join(found)


async def retire(session: Session, inside: Session, order: RetireOrder, limit: float) -> None:
    """Take a login out of service and hand what it may own to the owner; on synchronous sessions.

    A session that left the owner's role, by `SET ROLE NONE`, may have made objects of its own.

    Args:
        session: on database postgres.
        inside: on the application's database.
        order: which login.
        limit: seconds that a statement may take.

    Raises:
        RefusedError: a session uses it on this server.
        SpecError: it is no login of the owner.
        SqlError: the server refused, or acknowledgements did not come in time.
    """
    _require(order.owner, order.login)
    found = {login.role: login for login in await read(session)}
    login = found.get(order.login)
    if login is not None and login.used:
        raise RefusedError("LoginUsed", f"Sessions on this server log in as {order.login}.")
    if login is not None and login.allowed:
        await session.execute(f"ALTER ROLE {identifier(order.login)} NOLOGIN PASSWORD NULL", limit=limit)
    if login is not None and order.login != order.owner:
        await inside.execute(f"REASSIGN OWNED BY {identifier(order.login)} TO {identifier(order.owner)}", limit=limit)
    await wal.await_acknowledgement(session, limit)


def _require(owner: str, login: str) -> None:
    if login not in {owner, *names.logins(owner)}:
        raise SpecError("LoginInvalid", f"{login!r} is no login of {owner!r}.")
