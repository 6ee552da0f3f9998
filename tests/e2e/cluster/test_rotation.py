"""A new password on a real Kubernetes while applications connect all the time: nobody is turned away."""

import asyncio
import time
from collections.abc import Callable

import pytest

from tests.e2e import installation
from tests.e2e.cluster import applications, plugin, shops
from tests.e2e.cluster.applications import Applications, Values
from tests.e2e.cluster.shops import Shop

pytestmark = [pytest.mark.cluster, pytest.mark.long, pytest.mark.timeout(900)]

HELD_SECONDS = 70.0
"""Longer than the 60 s that a login has to be unused before it goes."""
DRAIN_SECONDS = 300.0
LOAD_SECONDS = 60.0
"""For so many connections on a machine that is busy."""


def test_nobody_is_turned_away_by_a_rotation(shop: Shop, record_property: Callable[[str, object], None]) -> None:
    """The former login works until its last session has ended, a reader's on a replica too; then it is refused."""
    clients = Applications(shop)
    before = clients.values
    switched, ended = asyncio.run(rotate(shop, clients))
    after = applications.secret(shop)
    record_property("connections", clients.opened)
    record_property("seconds to the new password", switched)
    record_property("seconds from the last session to the end of the former login", ended)
    assert ("app", "app_a") == (before["username"], after["username"])
    assert before["password"] != after["password"]
    assert [] == clients.failed
    assert (False, True) == asyncio.run(let_in(clients, before, after))
    events = {event["reason"] for event in shop.items("events")}
    assert {"PasswordRotated", "LoginRetired"} <= events
    for hidden in (before["password"], after["password"], "PRIVATE KEY", "SCRAM-SHA-256$"):
        assert hidden not in words(shop)


async def rotate(shop: Shop, clients: Applications) -> tuple[float, float]:
    """Rotate under load; return the seconds to the new password, and from the last session to the end of the old."""
    before = clients.values
    writer = await clients.connect(before, clients.primary)
    await writer.execute(applications.TABLE)
    reader = await clients.connect(before, clients.replicas)
    async with clients.coming(4, lambda: clients.values):
        async with clients.coming(2, lambda: before):
            await clients.await_visits(20, LOAD_SECONDS)
            began = time.monotonic()
            await asyncio.to_thread(plugin.run, shop, "rotate", "shop", "--wait", "--timeout", "120")
            switched = time.monotonic() - began
            await clients.await_visits(50, LOAD_SECONDS)
        await writer.execute(applications.VISIT)
        await writer.close()
        # Only a reader on a replica is left, and it does nothing for longer than the login would otherwise last.
        await asyncio.sleep(HELD_SECONDS)
        assert "Draining" == phase(shop)
        assert 0 < await reader.fetchval("SELECT count(*) FROM visits WHERE login = 'app_a'")
        assert await clients.may(before)
        await reader.close()
        ended = await asyncio.to_thread(
            shops.until, lambda: phase(shop) == "Done", DRAIN_SECONDS, lambda: str(shop.status().get("login"))
        )
        await clients.await_visits(10, LOAD_SECONDS)
    return switched, ended


async def let_in(clients: Applications, before: Values, after: Values) -> tuple[bool, bool]:
    """Tell whether the former and the new login are let in."""
    return await clients.may(before), await clients.may(after)


def phase(shop: Shop) -> str:
    """Return how far the rotation is."""
    return str((shop.status().get("login") or {}).get("phase", ""))


def words(shop: Shop) -> str:
    """Return all that objects, Events and logs say, Secrets apart."""
    objects = shop.kubectl("get", "covetclusters,pods,events,configmaps,statefulsets", "-o", "yaml")
    agents = shop.kubectl("logs", "-l", "covet.dev/cluster=shop", "--tail=-1")
    operator = ("logs", "-n", installation.NAMESPACE, "-l", "app.kubernetes.io/component=operator", "--tail=-1")
    return objects + agents + shop.covet.kubectl(*operator)
