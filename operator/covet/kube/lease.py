"""One operator at a time: a Lease that the working process holds and renews.

A standby takes over when it saw no renewal for `DURATION` seconds of its own monotonic clock,
whatever times stand in the object (clocks of two nodes differ). The holder gives up earlier than
that: `GIVE_UP` seconds after its last renewal it no longer believes that it holds the Lease, and
its work ends.
"""

import asyncio
import logging
from typing import Final

from covet.core.clock import Clock
from covet.core.errors import ConflictError, CovetError
from covet.kube import resources
from covet.kube.client import Kube
from covet.kube.resources import Manifest

NAME: Final = "covet-operator"
"""Name of the Lease where an installation gives none; two installations in one namespace need two."""
DURATION: Final = 8.0
"""Seconds without a renewal after which another process may take the Lease."""
GIVE_UP: Final = 6.0
"""Seconds after which a holder that cannot renew stops to work."""
RENEW_EVERY: Final = 2.0
"""Seconds between renewals, and between looks of a standby."""
RETRY_EVERY: Final = 0.5
"""Seconds from a renewal that failed to the next one: where not every call fails, one of them gets through in time."""

_log = logging.getLogger(__name__)


class LeaseHolder:
    """Takes, renews and gives back the Lease of the operator.

    Args:
        namespace: where the Lease stands.
        identity: name of this process; two processes never share it.
        name: of the Lease; processes of one name never work at the same time.
    """

    def __init__(self, kube: Kube, namespace: str, identity: str, clock: Clock, name: str = NAME) -> None:
        self._kube = kube
        self._namespace = namespace
        self._identity = identity
        self._name = name
        self._clock = clock
        self._renewed_at = -DURATION
        self._seen: tuple[str, str] | None = None
        self._seen_at = 0.0
        self._held = False
        self._written: Manifest | None = None
        """The Lease as we wrote it last: renewed without being read, so that a slow server takes one call's time."""

    def held(self) -> bool:
        """Return whether this process may work at this moment."""
        return self._held and self._clock.monotonic() - self._renewed_at < GIVE_UP

    async def acquire(self) -> None:
        """Wait until the Lease is ours; the API server may be away meanwhile, or too slow to keep it."""
        while not await self._attempt() or self._left() < GIVE_UP / 2:  # noqa: ASYNC110 -- polls another process
            await asyncio.sleep(RENEW_EVERY / 2)
        _log.info("holding the lease: starting to work", extra={"holder": self._identity})

    async def keep(self) -> None:
        """Renew the Lease; return when it is lost."""
        renewed = True
        while True:
            wait = RENEW_EVERY - GIVE_UP + self._left() if renewed else RETRY_EVERY
            await asyncio.sleep(max(0.0, min(wait, self._left())))
            renewed = False
            try:
                # A call that hangs must not outlast our belief to hold the Lease.
                async with asyncio.timeout(max(0.0, self._left())):
                    renewed = await self._attempt()
            except TimeoutError:
                _log.warning("the lease was not renewed in time", extra={"holder": self._identity})
            if not self.held():
                self._held = False
                _log.error("lost the lease: ending the work", extra={"holder": self._identity})
                return

    def _left(self) -> float:
        """Return the seconds for which the last renewal is still good."""
        return GIVE_UP - (self._clock.monotonic() - self._renewed_at)

    async def release(self) -> None:
        """Give the Lease back, so that a standby need not wait; errors are of no consequence."""
        if not self._held:
            return
        self._held, self._written = False, None
        try:
            async with asyncio.timeout(RENEW_EVERY):
                found = await self._kube.get(resources.LEASE, self._namespace, self._name)
                if found is not None and _holder(found) == self._identity:
                    await self._kube.replace(self._manifest(found, ""))
        except (CovetError, TimeoutError) as error:
            _log.info(f"could not release the lease: {error!r}")

    async def _attempt(self) -> bool:
        """Take or renew the Lease once; return whether that worked."""
        asked_at = self._clock.monotonic()
        try:
            written = await self._renew() or await self._take(asked_at)
        except ConflictError:
            return False
        except CovetError as error:
            _log.warning(f"cannot renew the lease: {error}", extra={"holder": self._identity})
            return False
        self._written = written
        if written is None:
            self._held = False
            return False
        self._renewed_at = asked_at
        self._held = True
        return True

    async def _renew(self) -> Manifest | None:
        """Write the Lease over what we wrote last; return None if that is not the newest."""
        if self._written is None:
            return None
        try:
            return await self._kube.replace(self._manifest(self._written, self._identity))
        except ConflictError:
            self._written = None
            return None

    async def _take(self, now: float) -> Manifest | None:
        """Read the Lease and write it if we may; return None if it is another's."""
        found = await self._kube.get(resources.LEASE, self._namespace, self._name)
        if found is None:
            return await self._kube.create(self._manifest(None, self._identity))
        if self._may_take(found, now):
            return await self._kube.replace(self._manifest(found, self._identity))
        return None

    def _may_take(self, found: Manifest, now: float) -> bool:
        holder = _holder(found)
        if holder in {"", self._identity}:
            return True
        seen = (holder, found["metadata"]["resourceVersion"])
        if seen != self._seen:
            self._seen, self._seen_at = seen, now
            return False
        return now - self._seen_at >= DURATION

    def _manifest(self, found: Manifest | None, holder: str) -> Manifest:
        moment = self._clock.wall().strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = dict(found["spec"]) if found is not None else {}
        if spec.get("holderIdentity") != holder:
            spec["acquireTime"] = moment
            spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + 1
        spec.update(holderIdentity=holder, renewTime=moment, leaseDurationSeconds=int(DURATION))
        metadata = {"name": self._name, "namespace": self._namespace}
        if found is not None:
            metadata = found["metadata"]
        return {
            "apiVersion": resources.LEASE.api_version,
            "kind": resources.LEASE.kind,
            "metadata": metadata,
            "spec": spec,
        }


def _holder(found: Manifest) -> str:
    return str((found.get("spec") or {}).get("holderIdentity") or "")
