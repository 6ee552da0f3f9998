"""The world around the command: an API server of dictionaries, a clock that stands, a program that is not started."""

import contextlib
import copy
import dataclasses
import datetime as dt
import io
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from click.testing import CliRunner

from covet.cli import access, application, failures, raw, session
from covet.core.clock import Clock
from covet.core.errors import ConflictError
from covet.testing import merging
from tests.unit.cli import samples

NOW = dt.datetime.fromisoformat(samples.MOMENT)

Change = Callable[[dict[str, Any]], None]


class FakeAccess:
    """Keeps clusters as the API server would; `script` says what happens to one that is followed."""

    def __init__(self, *bodies: dict[str, Any], namespace: str = "default") -> None:
        self.namespace = namespace
        self.bodies = {body["metadata"]["name"]: copy.deepcopy(body) for body in bodies}
        self.events: list[access.Word] = []
        self.script: list[Change] = []
        """Applied one after the other, each as soon as the one before was seen."""
        self.conflicts = 0
        """So many writes are beaten by somebody else."""
        self.written: list[dict[str, str | None]] = []

    @property
    def beside(self) -> raw.Raw:
        """Is not here: what stands beside a cluster is played by the API server of `covet.testing`."""
        raise AssertionError("a verb that looks beside the cluster is tested against an API server")

    async def read(self, name: str) -> access.Seen:
        """Return a cluster."""
        if name not in self.bodies:
            raise failures.no_cluster(name, self.namespace, tuple(sorted(self.bodies)))
        return access.seen_of(copy.deepcopy(self.bodies[name]))

    async def annotate(self, seen: access.Seen, changes: Mapping[str, str | None]) -> None:
        """Write annotations by compare-and-set."""
        metadata = self.bodies[seen.name]["metadata"]
        if self.conflicts > 0:
            self.conflicts -= 1
            metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)
        if metadata["resourceVersion"] != seen.body["metadata"]["resourceVersion"]:
            raise ConflictError("Conflict", "the object has been modified")
        self.written.append(dict(changes))
        kept = {**metadata["annotations"], **changes}
        metadata["annotations"] = {key: value for key, value in kept.items() if value is not None}
        metadata["resourceVersion"] = str(int(metadata["resourceVersion"]) + 1)

    async def clusters(self) -> tuple[str, ...]:
        """Return the names."""
        return tuple(sorted(self.bodies))

    async def amend(self, seen: access.Seen, spec: Mapping[str, Any]) -> None:
        """Merge into the spec by compare-and-set."""
        body = self.bodies[seen.name]
        if self.conflicts > 0:
            self.conflicts -= 1
            raise ConflictError("Conflict", "the object has been modified")
        body["spec"] = merging.merge(body["spec"], dict(spec))

    async def follow(self, name: str) -> AsyncIterator[access.Seen]:
        """Yield a cluster before and after each change of the script, then wait as a quiet watch does."""
        yield await self.read(name)
        for change in self.script:
            change(self.bodies[name])
            yield await self.read(name)
        raise failures.no_cluster(name, self.namespace, ())

    async def words(self, seen: access.Seen) -> tuple[access.Word, ...]:
        """Return the Events."""
        assert seen.name in self.bodies
        return tuple(self.events)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a call of the command did."""

    code: int
    out: str
    err: str


@dataclasses.dataclass
class World:
    """The command in its fake world."""

    api: FakeAccess
    targets: list[access.Target] = dataclasses.field(default_factory=list)
    started: list[list[str]] = dataclasses.field(default_factory=list)
    kubectl_missing: bool = False

    def call(self, *arguments: str, typed: str = "") -> Outcome:
        """Run the command as a person would, with what is typed at its questions."""

        @contextlib.asynccontextmanager
        async def connect(target: access.Target) -> AsyncIterator[access.Access]:
            self.targets.append(target)
            self.api.namespace = target.namespace or self.api.namespace
            yield self.api

        def execute(program: str, call: list[str]) -> None:
            if self.kubectl_missing:
                raise FileNotFoundError(program)
            self.started.append(call)

        outside = session.Outside(connect=connect, execute=execute, clock=Clock(wall=lambda: NOW))
        with CliRunner().isolation(input=io.BytesIO(typed.encode())) as streams:
            code = application.run(list(arguments), outside)
            return Outcome(code, streams[0].getvalue().decode(), streams[1].getvalue().decode())
