"""The application's database and its owner, made on the leader."""

import re
from typing import Final

from covet.core.agentorders import DatabaseOrder
from covet.core.errors import SpecError
from covet.engines import wal
from covet.engines.quoting import identifier, literal
from covet.engines.sessions import Session

_VERIFIER: Final = re.compile(
    r"SCRAM-SHA-256\$\d{4,7}:[A-Za-z0-9+/]{16,88}={0,2}\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}="
)
_DATABASE_SECONDS: Final = 30.0
"""CREATE DATABASE copies a template: on a slow disk that takes longer than a row."""
_RESERVED: Final = re.compile(r"covet($|_)|pg_|postgres$|template[01]$|public$|none$")


async def ensure(session: Session, order: DatabaseOrder, limit: float) -> None:
    """Make the application's owner and database, or bring the owner's verifier up to date; on a synchronous session.

    The verifier never reaches the log: the agent's sessions log no statement, whatever the user's
    parameters say.

    Raises:
        SpecError: a name is reserved, or the verifier is not one.
        SqlError: the server refused, or acknowledgements did not come in time.
    """
    for name in (order.name, order.owner):
        if _RESERVED.match(name):
            raise SpecError("NameReserved", f"{name!r} belongs to Covet or to PostgreSQL: choose another name.")
    if order.verifier and not is_verifier(order.verifier):
        raise SpecError("VerifierInvalid", "The verifier is not one of SCRAM-SHA-256.")
    known = await session.row("SELECT rolpassword FROM pg_authid WHERE rolname = $1", order.owner)
    verb = "CREATE" if known is None else "ALTER"
    if known is None and not order.verifier:
        await session.execute(f"CREATE ROLE {identifier(order.owner)} NOLOGIN", limit=limit)
    elif order.verifier and (known is None or known["rolpassword"] != order.verifier):
        await session.execute(
            f"{verb} ROLE {identifier(order.owner)} LOGIN PASSWORD {literal(order.verifier)}", limit=limit
        )
    if await session.value("SELECT 1 FROM pg_database WHERE datname = $1", order.name) is None:
        await session.execute(
            f"CREATE DATABASE {identifier(order.name)} OWNER {identifier(order.owner)} TEMPLATE template0",
            limit=_DATABASE_SECONDS,
        )
    await session.execute(
        "INSERT INTO covet.application (database, owner) VALUES ($1, $2)"
        " ON CONFLICT (single) DO UPDATE SET database = $1, owner = $2"
        " WHERE (application.database, application.owner) IS DISTINCT FROM ($1, $2)",
        order.name,
        order.owner,
        limit=limit,
    )
    await wal.await_acknowledgement(session, limit)


def is_verifier(text: str) -> bool:
    """Return whether a text is a SCRAM-SHA-256 verifier as pg_authid stores it."""
    return _VERIFIER.fullmatch(text) is not None
