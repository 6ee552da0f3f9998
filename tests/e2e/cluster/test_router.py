"""Routers on a real Kubernetes: the Secret of a cluster leads to them, with TLS that is verified, and they answer."""

import asyncio
import ssl

import asyncpg
import pytest

from tests.e2e.cluster import applications, shops
from tests.e2e.cluster.shops import Shop
from tests.e2e.installation import Installation
from tests.e2e.target import Target

pytestmark = pytest.mark.cluster


def test_an_application_works_through_the_routers(covet: Installation, namespace: str, place: Target) -> None:
    """It writes and reads with the address and password of its Secret, and is who it is on a server."""
    if place.devcluster_name() is None:
        pytest.skip("only the Services of a devcluster are reached from here")
    shop = Shop(covet, namespace)
    shop.declare(shards={"count": 1, "instances": 1}, router={"replicas": 1})
    shops.until(shop.is_ready, shops.READY_SECONDS, lambda: str(shop.condition("Ready")))
    values = applications.secret(shop)
    assert f"shop-router.{shop.namespace}.svc" == values["host"]
    address = str(shop.get("service", "shop-router")["spec"]["clusterIP"])
    assert ("app", [1, 2]) == asyncio.run(work(values, address))


async def work(values: applications.Values, address: str) -> tuple[str, list[int]]:
    """Return the role that a session has on the server, and the rows that it wrote."""
    trust = ssl.create_default_context(cadata=values["ca.crt"])
    trust.check_hostname = False  # dialled by address
    session = await asyncpg.connect(
        host=address,
        user=values["username"],
        password=values["password"],
        database=values["database"],
        ssl=trust,
        timeout=applications.PATIENCE,
    )
    try:
        await session.execute("CREATE TABLE numbers (number int PRIMARY KEY)")
        await session.execute("INSERT INTO numbers VALUES (1), (2)")
        rows = await session.fetch("SELECT number FROM numbers ORDER BY number")
        return str(await session.fetchval("SELECT current_user::text")), [row["number"] for row in rows]
    finally:
        await session.close()
