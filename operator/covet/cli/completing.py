"""What the Tab key offers: verbs and options by click, names of clusters, shards and instances by the API server.

kubectl completes a plugin by asking the program `kubectl_complete-covet`; shells that call `kubectl-covet` itself
take a script of click's. Whatever goes wrong offers nothing: a key press is no place for an error.
"""

import asyncio
import sys
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

import click
from click import shell_completion

from covet.cli import session
from covet.cli.access import Access, Seen

PROGRAM: Final = "kubectl-covet"
VARIABLE: Final = "_KUBECTL_COVET_COMPLETE"
"""Environment variable by which a shell asks; click's own convention."""
PATIENCE: Final = 3.0
"""Seconds that a person may be kept waiting."""
NO_FILES: Final = 4
"""Directive of kubectl's protocol: offer no file names."""
FILES: Final = 0

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
Offer = Callable[[click.Context, click.Parameter, str], list[shell_completion.CompletionItem]]


def _asking(names_in: Callable[[Seen], Iterable[str]]) -> Offer:
    """Return what offers names in the cluster that stands on the line already."""

    def offer(context: click.Context, _: click.Parameter, typed: str) -> list[shell_completion.CompletionItem]:
        # Where an option still lacks its value, click leaves the arguments unread.
        cluster = str(context.params.get("cluster") or next(iter(context.args), ""))

        async def ask(opened: Access) -> tuple[str, ...]:
            return tuple(names_in(await opened.read(cluster)))

        return _offered(_ask(context, ask), typed) if cluster else []

    return offer


def _clusters(context: click.Context, _: click.Parameter, typed: str) -> list[shell_completion.CompletionItem]:
    """Offer the clusters of the namespace."""

    async def ask(opened: Access) -> tuple[str, ...]:
        return await opened.clusters()

    return _offered(_ask(context, ask), typed)


shards: Final = _asking(lambda seen: (shard.name for shard in seen.status.shards))
"""Offers the shards of the cluster."""
instances: Final = _asking(lambda seen: (found.name for shard in seen.status.shards for found in shard.instances))
"""Offers the instances of the cluster."""


def cluster_argument(function: Decorated) -> Decorated:
    """Add the argument CLUSTER, which the Tab key completes."""
    return click.argument("cluster", shell_complete=_clusters)(function)


def optional_cluster_argument(function: Decorated) -> Decorated:
    """Add the argument [CLUSTER]."""
    return click.argument("cluster", required=False, shell_complete=_clusters)(function)


def _ask(context: click.Context, ask: Callable[[Access], Any]) -> tuple[str, ...]:
    outside = context.obj if isinstance(context.obj, session.Outside) else session.Outside()
    own, before = context.params, context.find_root().params
    target = session.target_of(_kubectl(own)).over(session.target_of(_kubectl(before)))

    async def with_access() -> tuple[str, ...]:
        async with asyncio.timeout(PATIENCE), outside.connect(target) as opened:
            found: tuple[str, ...] = await ask(opened)
            return found

    try:
        return asyncio.run(with_access())
    except Exception:  # noqa: BLE001 -- a key press is no place for an error, whichever
        return ()


def _kubectl(params: dict[str, Any]) -> dict[str, Any]:
    return {name: params.get(name) for name in ("namespace", "context", "kubeconfig")}


def _offered(found: Iterable[str], typed: str) -> list[shell_completion.CompletionItem]:
    return [shell_completion.CompletionItem(name) for name in found if name.startswith(typed)]


def script(shell: str) -> str:
    """Return what a shell has to read so that it completes `kubectl-covet`."""
    return _class(shell)(_command(), {}, PROGRAM, VARIABLE).source()


def answer(instruction: str) -> int:
    """Answer a shell that asks by the environment variable; return the exit code."""
    return shell_completion.shell_complete(_command(), {"obj": session.Outside()}, PROGRAM, VARIABLE, instruction)


def lines(words: list[str], outside: session.Outside | None = None) -> list[str]:
    """Return what kubectl is answered: one offer a line, and a directive in the end.

    Args:
        words: the line after `kubectl covet`; the last one is the word that is being typed.
        outside: API server and time.
    """
    *before, typed = words or [""]
    told = shell_completion.ShellComplete(_command(), {"obj": outside or session.Outside()}, PROGRAM, VARIABLE)
    try:
        found = told.get_completions(before, typed)
    except Exception:  # noqa: BLE001 -- as above
        found = []
    files = any(item.type in {"file", "dir"} for item in found)
    offers = [_line(item) for item in found if item.type == "plain"]
    return [*offers, f":{FILES if files else NO_FILES}"]


def _line(item: shell_completion.CompletionItem) -> str:
    """Return an offer with what it does; click cuts the words of a verb short."""
    words = item.help
    command = _command()
    if words and isinstance(command, click.Group):
        verb = command.get_command(click.Context(command), str(item.value))
        words = verb.get_short_help_str(limit=80) if verb is not None else words
    return f"{item.value}\t{words}" if words else str(item.value)


def main() -> int:
    """Answer kubectl: the entry point `kubectl_complete-covet`."""
    answered = lines(sys.argv[1:])
    sys.stdout.write("\n".join(answered) + "\n")
    return 0


def _class(shell: str) -> type[shell_completion.ShellComplete]:
    found = shell_completion.get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"There is no completion for {shell}.")
    return found


def _command() -> click.Command:
    from covet.cli import application  # noqa: PLC0415 -- its verbs import this module

    return application.main
