"""Another authority of certificates on a real Kubernetes while applications connect all the time: nobody notices."""

import asyncio
import datetime as dt
import json
import ssl
import time
from collections.abc import Callable

import pytest

from tests.e2e.cluster import applications, plugin, shops
from tests.e2e.cluster.applications import Applications, Values
from tests.e2e.cluster.shops import Shop

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(900)]

LOAD_SECONDS = 60.0
STEADY_SECONDS = 600.0
"""Two minutes of notice, and three times what the kubelet takes to bring a Secret into pods."""


def test_nobody_is_turned_away_by_another_authority(shop: Shop, record_property: Callable[[str, object], None]) -> None:
    """Who reads `ca.crt` for each connection, or kept the announced one, gets in; nothing is restarted or elected."""
    clients = Applications(shop)
    before, pods, (shard,) = clients.values["ca.crt"], uids(shop), shop.status()["shards"]
    announced, seconds = asyncio.run(replace(shop, clients))
    after = applications.secret(shop)["ca.crt"]
    record_property("connections", clients.opened)
    record_property("seconds to the end", seconds)
    assert [] == clients.failed
    assert announced["ca.crt"] in {before + after, after + before}
    assert before != after
    with pytest.raises(ssl.SSLCertVerificationError):
        asyncio.run(clients.may({**clients.values, "ca.crt": before}))
    assert (pods, shard["term"]) == (uids(shop), shop.status()["shards"][0]["term"])
    assert {"AuthorityAnnounced", "AuthorityReplaced", "AuthorityRetired", "OrderDone"} <= {
        event["reason"] for event in shop.items("events")
    }
    found = json.loads(plugin.run(shop, "certs", "shop", "-o", "json"))
    assert ("Steady", []) == (found["authority"]["phase"], [one for one in found["certificates"] if one["problem"]])


async def replace(shop: Shop, clients: Applications) -> tuple[Values, float]:
    """Order another authority under load; return what was announced, and how long it took in all."""
    session = await clients.connect(clients.values, clients.primary)
    await session.execute(applications.TABLE)
    async with clients.coming(4, lambda: clients.values):
        await clients.await_visits(20, LOAD_SECONDS)
        began = time.monotonic()
        moment = dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)
        order = f"covet.dev/replace-authority={moment:%Y-%m-%dT%H:%M:%SZ}"
        await asyncio.to_thread(shop.kubectl, "annotate", "covetcluster", "shop", order)
        await asyncio.to_thread(shops.until, lambda: bundled(shop), 60, lambda: str(shop.status().get("authority")))
        announced = await asyncio.to_thread(applications.secret, shop)
        async with clients.coming(2, lambda: announced):
            await asyncio.to_thread(
                shops.until, lambda: steady(shop), STEADY_SECONDS, lambda: str(shop.status().get("authority"))
            )
            seconds = time.monotonic() - began
            await clients.await_visits(50, LOAD_SECONDS)
    # A session that was opened before goes on.
    await session.execute(applications.VISIT)
    await session.close()
    return announced, seconds


def bundled(shop: Shop) -> bool:
    """Return whether applications are told to trust two authorities."""
    return 2 == applications.secret(shop)["ca.crt"].count("BEGIN CERTIFICATE")


def steady(shop: Shop) -> bool:
    """Return whether the order is carried out."""
    orders = shop.get("covetcluster", "shop")["metadata"].get("annotations") or {}
    return "covet.dev/replace-authority" not in orders and "Steady" == shop.status()["authority"]["phase"]


def uids(shop: Shop) -> set[str]:
    """Return the uids of all pods: one that is made anew has another."""
    return {pod["metadata"]["uid"] for pod in shop.items("pods")}
