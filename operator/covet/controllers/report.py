"""Saying what is seen: the status, written only when it differs, and Events, without a storm."""

import dataclasses
import hashlib
import logging
from collections.abc import Iterable
from typing import Final

from covet.api.status import ClusterStatus
from covet.core import clock, events, names
from covet.core.clock import Clock
from covet.core.errors import CovetError
from covet.kube import resources
from covet.kube.client import Kube
from covet.kube.resources import Manifest
from covet.manifests.metadata import ClusterRef
from covet.planner.facts import Finding

_log = logging.getLogger(__name__)

REPEAT_AFTER: Final = 600.0
"""Seconds after which an Event about the same fact is sent again; it is the same object, counted up."""
BURST: Final = 20
"""New Events about one cluster within `REPEAT_AFTER`; what is above is in the conditions anyway."""
SHARES: Final = {events.DRIFT_HEALED: 8}
"""How many of them may be about one reason: what somebody fights over leaves room for what matters more."""
SOURCE: Final = "covet-operator"


class Reporter:
    """Writes the status of one cluster and Events about it."""

    def __init__(self, kube: Kube, clock: Clock) -> None:
        self._kube = kube
        self._clock = clock
        self._sent: dict[str, _Sent] = {}

    async def write_status(self, ref: ClusterRef, before: Manifest, status: ClusterStatus) -> None:
        """Write the status, if it differs from the one the object carries.

        Args:
            ref: whose status it is.
            before: the object as it was read in this round.
            status: what it should say.
        """
        patch = difference(before.get("status") or {}, status.document())
        if not patch:
            return
        # A merge patch and not server-side apply: a map of ours that became empty was left behind as null by
        # apply (Kubernetes 1.34), which the schema then refuses, for ever.
        metadata = {"uid": ref.uid, "resourceVersion": before["metadata"]["resourceVersion"]}
        body = {"metadata": metadata, "status": patch}
        await self._kube.merge(resources.CLUSTER, ref.namespace, ref.name, body, subresource="status")

    async def warn(self, ref: ClusterRef, findings: Iterable[Finding]) -> None:
        """Send a Warning Event for each finding that was not sent lately."""
        for finding in findings:
            await self._send(ref, "Warning", finding)

    async def tell(self, ref: ClusterRef, reason: str, message: str) -> None:
        """Send a Normal Event about something that happened."""
        await self._send(ref, "Normal", Finding(reason, message))

    async def _send(self, ref: ClusterRef, kind: str, finding: Finding) -> None:
        now = self._clock.monotonic()
        key = _key(ref, finding)
        moment = clock.rfc3339(self._clock.wall())
        last = self._sent.get(key)
        if last is not None and now - last.at < REPEAT_AFTER:
            return
        if last is None and self._is_full(finding.reason, now):
            return
        sent = _Sent(
            finding.reason, now, last.count + 1 if last is not None else 1, last.first if last is not None else moment
        )
        self._sent[key] = sent
        try:
            await self._kube.apply(_event(ref, kind, finding, sent, moment))
        except CovetError as error:
            # An Event is a courtesy: the condition says the same, and nothing waits for either.
            _log.info(f"could not send the Event {finding.reason}: {error}")

    def _is_full(self, reason: str, now: float) -> bool:
        self._sent = {key: entry for key, entry in self._sent.items() if now - entry.at < 6 * REPEAT_AFTER}
        recent = [entry.reason for entry in self._sent.values() if now - entry.at < REPEAT_AFTER]
        return len(recent) >= BURST or recent.count(reason) >= SHARES.get(reason, BURST)


def difference(before: Manifest, after: Manifest) -> Manifest:
    """Return the JSON merge patch that turns one object into another; empty if they are the same."""
    patch: Manifest = {key: None for key in before if key not in after}
    for key, value in after.items():
        old = before.get(key)
        if isinstance(value, dict) and isinstance(old, dict):
            inner = difference(old, value)
            if inner:
                patch[key] = inner
        elif key not in before or old != value:
            patch[key] = value
    return patch


@dataclasses.dataclass(frozen=True)
class _Sent:
    """An Event that was sent: why, when (monotonic seconds), how often, and when first."""

    reason: str
    at: float
    count: int
    first: str


def _event(ref: ClusterRef, kind: str, finding: Finding, sent: _Sent, moment: str) -> Manifest:
    event: Manifest = {
        "apiVersion": resources.EVENT.api_version,
        "kind": resources.EVENT.kind,
        "metadata": {"name": f"{ref.name}.{_key(ref, finding)}", "namespace": ref.namespace},
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "name": ref.name,
            "namespace": ref.namespace,
            "uid": ref.uid,
        },
        "type": kind,
        "reason": finding.reason,
        "message": finding.message[:1024],
        "source": {"component": SOURCE},
        "reportingComponent": SOURCE,
        "reportingInstance": SOURCE,
        "firstTimestamp": sent.first,
        "lastTimestamp": moment,
        "count": sent.count,
    }
    if finding.subject:
        subject_kind, subject_name = finding.subject.split("/", 1)
        event["related"] = {"kind": subject_kind, "name": subject_name, "namespace": ref.namespace}
    return event


def _key(ref: ClusterRef, finding: Finding) -> str:
    text = f"{ref.uid}\n{finding.reason}\n{finding.subject}\n{finding.message}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]
