"""Waiting until a Secret holds the password that was ordered."""

from collections.abc import Callable
from typing import Final

from covet.cli import access as api
from covet.cli import failures, patience
from covet.cli.access import Access, Seen
from covet.core import names

NAMED: Final = frozenset({"Draining", "Done"})
"""Phases of a rotation in which the Secret names the new login."""


async def until_named(access: Access, ordered: Seen, token: str, limit: float, tell: Callable[[str], None]) -> str:
    """Return the login once the Secret names it with the new password.

    Args:
        access: the API server.
        ordered: the cluster, as it was when the order was written.
        token: the order: what the annotation says.
        limit: seconds to wait at most.
        tell: is given each step as a sentence.

    Raises:
        Failure: withdrawn, or still under way at the limit; then the order stands.
    """
    late = (
        f"The password of {ordered.name} is not replaced after {limit:g} s; the order stands. `kubectl covet status"
        f" {ordered.name}` says what it waits for."
    )
    async with patience.within(limit, late):
        return await _follow(access, ordered, token, tell)


async def _follow(access: Access, ordered: Seen, token: str, tell: Callable[[str], None]) -> str:
    told = patience.news(tell)
    async for seen in api.follow_patiently(access, ordered.name, tell):
        login = seen.status.login
        if login is not None and login.rotation == token and login.phase in NAMED:
            return login.username
        standing = seen.annotations.get(names.ANNOTATION_ROTATE)
        if standing != token:
            instead = f"another one stands ({standing})" if standing else "it was withdrawn"
            raise failures.Failure(failures.Exit.REFUSED, f"The order was not carried out: {instead}.")
        told((login.message if login is not None else None) or "Ordered; the operator has not taken it up yet.")
    raise failures.no_cluster(ordered.name, ordered.namespace, ())
