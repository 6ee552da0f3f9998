"""The three steps from one authority to the next: each one write over the very version that the plan was made from."""

import asyncio
from collections.abc import Mapping

from covet.controllers import freshness
from covet.controllers.freshness import Means
from covet.controllers.observe import Seen
from covet.core import events, names
from covet.core.errors import ConflictError
from covet.kube import resources
from covet.kube.resources import Manifest
from covet.manifests import authorities, certificates, secrets
from covet.planner import authorityactions as act
from covet.planner.telling import News


async def announce(means: Means, seen: Seen, _action: act.AnnounceAuthority) -> None:
    """Make the next authority, to be trusted before it signs."""
    now = means.clock.wall()
    made = await asyncio.to_thread(certificates.make_authority, seen.ref.name, now, means.lifetimes, following=True)
    await _write(means, seen, authorities.announced(made))
    message = "Another authority of certificates is trusted beside the present one, and signs once everybody trusts it."
    means.news.append(News(events.AUTHORITY_ANNOUNCED, message))


async def switch(means: Means, seen: Seen, _action: act.SwitchAuthority) -> None:
    """Have the next authority sign; its certificates are made in the next round."""
    try:
        values = authorities.switched(secrets.values_of(_observed(seen)))
    except (KeyError, ValueError, TypeError) as error:
        raise ConflictError("AuthorityChanged", f"There is no next authority any more: {error}.") from error
    await _write(means, seen, values)
    message = "The next authority signs from now on; the former one is trusted until nobody shows what it issued."
    means.news.append(News(events.AUTHORITY_REPLACED, message))


async def drop(means: Means, seen: Seen, _action: act.DropAuthority) -> None:
    """End the trust in the former authority."""
    await _write(means, seen, authorities.dropped())
    message = "Nobody shows a certificate of the former authority any more, and nobody trusts it."
    means.news.append(News(events.AUTHORITY_RETIRED, message))


def _observed(seen: Seen) -> Manifest:
    name = names.authority_secret(seen.ref.name)
    found = seen.objects.get((resources.SECRET.kind, seen.ref.namespace, name))
    if found is None:
        raise ConflictError("AuthorityGone", f"Secret {name} is gone.")
    return found


async def _write(means: Means, seen: Seen, values: Mapping[str, str | None]) -> None:
    """Write over the version that was observed before the agents were asked.

    Raises:
        ConflictError: somebody wrote meanwhile; it is judged anew.
    """
    await freshness.still_wanted(means, seen)
    metadata = _observed(seen)["metadata"]
    kept = secrets.coded({key: value for key, value in values.items() if value is not None})
    data = {key: kept.get(key) for key in values}
    patch = {"metadata": {"resourceVersion": metadata["resourceVersion"], "uid": metadata["uid"]}, "data": data}
    await means.kube.merge(resources.SECRET, seen.ref.namespace, metadata["name"], patch)
