"""`rotate`: what it orders, and how it waits for the Secret."""

import asyncio
from typing import Any

import pytest

from covet.core import names
from covet.kube import resources
from tests.unit.cli import samples, surroundings
from tests.unit.cli.surroundings import Caller, Surroundings

ROTATE = names.ANNOTATION_ROTATE
TOKEN = "2026-11-23T08:00:00Z"  # noqa: S105 -- a moment


def annotations(around: Surroundings) -> dict[str, str]:
    """Return the annotations of the cluster."""
    found = around.get(resources.CLUSTER, "default", "shop")
    assert found is not None
    kept: dict[str, str] = found["metadata"].get("annotations") or {}
    return kept


def report(around: Surroundings, **login: Any) -> None:
    """Have the operator say how far a rotation is."""
    surroundings.change(around, "CovetCluster", "shop", lambda body: body["status"].update(login=login))


async def test_a_new_password_is_ordered(caller: Caller, around: Surroundings) -> None:
    """The annotation tells this order from the one before; where to look comes with it."""
    done = await caller.call("rotate", "shop")
    assert {ROTATE: TOKEN} == annotations(around)
    assert (0, f"Ordered: shop gets a new password ({TOKEN}).\n") == (done.code, done.out)
    assert "`kubectl covet status shop` shows how far it is." in done.err


async def test_an_order_that_stands_is_not_written_over(caller: Caller, around: Surroundings) -> None:
    """One that is not begun is the same order; one that is over makes room for another."""
    around.put(samples.cluster(**{ROTATE.replace(".", "__"): "one"}))
    done = await caller.call("rotate", "shop")
    assert ("A new password is ordered already (one).\n", "one") == (done.out, annotations(around)[ROTATE])
    report(around, username="app_a", rotation="one", phase="Draining", former="app")
    done = await caller.call("rotate", "shop")
    assert TOKEN == annotations(around)[ROTATE]
    assert "It waits for the rotation before: app may still log in.\n" in done.err


async def test_the_secret_is_waited_for(caller: Caller, around: Surroundings) -> None:
    """Each step is told; it ends once the Secret names the new login."""
    waiting = asyncio.create_task(caller.call("rotate", "shop", "--wait"))
    async with asyncio.timeout(60):
        while ROTATE not in annotations(around):  # noqa: ASYNC110 -- the server keeps a dictionary
            await asyncio.sleep(0.01)
    report(around, username="app", rotation=TOKEN, phase="Preparing", former="app", message="app_a gets a password.")
    report(around, username="app_a", rotation=TOKEN, phase="Draining", former="app")
    done = await waiting
    assert (0, True) == (done.code, done.out.endswith("Done: the Secret holds the new password, for app_a.\n"))


async def test_status_tells_how_far_it_is(caller: Caller, around: Surroundings) -> None:
    """A rotation under way stands out with what it waits for; one that is over does not."""
    waits = "Sessions on shop-s0-b log in as app, or may: it goes once nothing uses it."
    report(around, username="app_a", rotation=TOKEN, phase="Draining", former="app", message=waits)
    told = " ".join((await caller.call("status", "shop")).out.split())
    assert f"- A new password is under way (Draining): {waits}" in told
    report(around, username="app_a", rotation=TOKEN, phase="Done", message="The application logs in as app_a.")
    assert "new password" not in (await caller.call("status", "shop")).out


@pytest.mark.parametrize(("standing", "code", "words"), [(TOKEN, 6, "order stands"), ("two", 1, "another one stands")])
async def test_what_does_not_come_is_told(
    caller: Caller, around: Surroundings, standing: str, code: int, words: str
) -> None:
    """Still under way at the limit, or written over: the exit code and the sentence say which."""
    waiting = asyncio.create_task(caller.call("rotate", "shop", "--wait", "--timeout", "2"))
    async with asyncio.timeout(60):
        while ROTATE not in annotations(around):  # noqa: ASYNC110 -- the server keeps a dictionary
            await asyncio.sleep(0.01)
    surroundings.change(
        around, "CovetCluster", "shop", lambda body: body["metadata"]["annotations"].update({ROTATE: standing})
    )
    done = await waiting
    assert (code, True) == (done.code, words in done.err)
