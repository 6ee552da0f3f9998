"""Applications of a cluster: they connect, write a row and leave, again and again, and note whoever is turned away.

They run on the machine that the nodes of a devcluster run on, which reaches Services by their addresses.
"""

import asyncio
import base64
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any

import asyncpg

from covet.core import names
from tests.e2e.cluster.shops import Shop

Values = dict[str, str]
"""What a Secret holds."""
TABLE = "CREATE TABLE visits (id bigserial PRIMARY KEY, login text NOT NULL)"
VISIT = "INSERT INTO visits (login) VALUES (session_user)"
REFUSED = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)
PATIENCE = 20.0
"""Seconds that a connection may take on a busy machine; one that is refused is refused at once."""
PAUSE = 0.05
READ_AGAIN = 0.5


def secret(shop: Shop) -> Values:
    """Return what the application's Secret holds."""
    data = shop.get("secret", names.user_secret(shop.name, "app"))["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


class Applications:
    """Applications of shard `s0`.

    Args:
        shop: the cluster, ready.
    """

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self.values = secret(shop)
        """What those go by that read their Secret again and again."""
        self.opened = 0
        self.failed: list[str] = []
        self._visited = asyncio.Event()
        self._addresses = {
            service: str(shop.get("service", service)["spec"]["clusterIP"])
            for service in (names.read_write_service(shop.name, "s0"), names.read_only_service(shop.name, "s0"))
        }
        self.primary, self.replicas = self._addresses

    async def connect(self, values: Values, service: str) -> Any:
        """Return a session at a Service of the shard; the server's certificate is verified."""
        trust = ssl.create_default_context(cadata=values["ca.crt"])
        trust.check_hostname = False  # dialled by address
        return await asyncpg.connect(
            host=self._addresses[service],
            port=names.SQL_PORT,
            user=values["username"],
            password=values["password"],
            database=values["database"],
            ssl=trust,
            timeout=PATIENCE,
        )

    async def may(self, values: Values) -> bool:
        """Tell whether the primary lets somebody in; what is wrong but the login is an error."""
        try:
            session = await self.connect(values, self.primary)
        except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError):
            return False
        await session.close()
        return True

    @contextlib.asynccontextmanager
    async def coming(self, count: int, values: Callable[[], Values]) -> AsyncIterator[None]:
        """Let this many applications come and go meanwhile.

        Args:
            count: how many.
            values: asked anew for each connection.
        """
        tasks = [asyncio.create_task(self._come_and_go(values)) for _ in range(count)]
        tasks.append(asyncio.create_task(self._read()))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert {asyncio.CancelledError} == {type(error) for error in ended}, ended

    async def await_visits(self, more: int, seconds: float) -> None:
        """Wait until this many more were let in."""
        wanted = self.opened + more
        async with asyncio.timeout(seconds):
            while self.opened < wanted and not self.failed:
                self._visited.clear()
                await self._visited.wait()

    async def _come_and_go(self, values: Callable[[], Values]) -> None:
        while True:
            used = values()
            try:
                session = await self.connect(used, self.primary)
                try:
                    await session.execute(VISIT)
                finally:
                    await session.close()
                self.opened += 1
            except REFUSED as error:
                self.failed.append(f"{used['username']}: {type(error).__name__}: {error}")
            self._visited.set()
            await asyncio.sleep(PAUSE)

    async def _read(self) -> None:
        while True:
            self.values = await asyncio.to_thread(secret, self._shop)
            await asyncio.sleep(READ_AGAIN)
