"""Sessions of drivers through a router."""

import os
import ssl
import subprocess

import asyncpg

from tests.e2e.process.router.front import DATABASE, LIMIT, PASSWORD, USER, Front


async def connect(
    router: Front, password: str = PASSWORD, user: str = USER, database: str = DATABASE, **settings: str
) -> "asyncpg.Connection[asyncpg.Record]":
    """Return a session of asyncpg with these settings; the router's name and certificate are verified."""
    return await asyncpg.connect(
        host="127.0.0.1",
        port=router.port,
        user=user,
        password=password,
        database=database,
        ssl=ssl.create_default_context(cafile=str(router.authority)),
        timeout=LIMIT,
        command_timeout=LIMIT,
        server_settings=settings,
    )


def libpq(router: Front, sslmode: str = "verify-full") -> dict[str, str]:
    """Return the environment of a program that goes through the router with libpq."""
    settings = {
        "PGHOST": "127.0.0.1",
        "PGPORT": str(router.port),
        "PGUSER": USER,
        "PGPASSWORD": PASSWORD,
        "PGDATABASE": DATABASE,
        "PGSSLMODE": sslmode,
        "PGSSLROOTCERT": str(router.authority),
        "PGCONNECT_TIMEOUT": str(int(LIMIT)),
    }
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")} | settings


def run(
    router: Front, *command: str, given: str = "", sslmode: str = "verify-full"
) -> "subprocess.CompletedProcess[str]":
    """Run a program of libpq through the router."""
    return subprocess.run(
        command, env=libpq(router, sslmode), input=given, capture_output=True, text=True, timeout=2 * LIMIT, check=False
    )
