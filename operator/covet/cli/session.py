"""What every verb has in common: the options of kubectl, the way to the API server, and how output leaves.

The outside world (API server, other programs, time) is one value, so that a test replaces all of it.
"""

import asyncio
import dataclasses
import os
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import click

from covet.cli import access, aiming, executing, reaching, screen
from covet.core.clock import Clock

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Result = TypeVar("Result")


@dataclasses.dataclass(frozen=True)
class Outside:
    """Everything outside of this process.

    Args:
        connect: opens a way to the API server.
        execute: becomes another program: its name, and its arguments with the name first.
        run: runs another program to its end, within so many seconds.
        clock: durations, and the time of day for ages.
    """

    connect: access.Opener = reaching.connect
    execute: Callable[[str, list[str]], None] = os.execvp
    run: Callable[[list[str], float], executing.Ended] = executing.run
    clock: Clock = dataclasses.field(default_factory=Clock)


@dataclasses.dataclass(frozen=True)
class Session:
    """One call of the command.

    Args:
        outside: API server, programs, time.
        target: what the options before the verb named.
    """

    outside: Outside
    target: access.Target

    def run(self, target: access.Target, verb: Callable[[access.Access], Awaitable[Result]]) -> Result:
        """Run a verb with an open way to the API server."""
        where = target.over(self.target)
        aiming.at(where)

        async def with_access() -> Result:
            async with self.outside.connect(where) as opened:
                return await verb(opened)

        return asyncio.run(with_access())


_OPTIONS: Final = (
    click.option("-n", "--namespace", metavar="NAME", help="Namespace; default: that of the context."),
    click.option("--context", metavar="NAME", help="Context of the kubeconfig; default: the current one."),
    click.option("--kubeconfig", metavar="PATH", help="Kubeconfig; default: $KUBECONFIG, then ~/.kube/config."),
)


def kubectl_options(function: Decorated) -> Decorated:
    """Add -n, --context and --kubeconfig; `target_of` reads them."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def target_of(options: dict[str, Any]) -> access.Target:
    """Return the target that the options of a verb name."""
    return access.Target(options["namespace"], options["context"], options["kubeconfig"])


def show(*parts: Any) -> None:  # noqa: ANN401 -- whatever rich renders
    """Write parts to the standard output."""
    click.echo(screen.render(*parts), nl=False)


def say(line: str) -> None:
    """Write a line to the standard output."""
    click.echo(aiming.aim(line))


def tell(line: str) -> None:
    """Write a line about the progress to the standard error, where no pipe takes it for a result."""
    click.echo(aiming.aim(line), err=True)
