"""Commands that are shown can be pasted: they go where this one went.

Sentences name commands in backquotes and leave out namespace, context and kubeconfig. Whoever gave those to this
command needs them again, so they are added where text leaves: for the one target that a call of the command has.
"""

import contextvars
import re
import shlex
from typing import Final

from covet.cli.access import Target

_CALL: Final = re.compile(r"`(kubectl [^`]+)`")
_NAMED: Final = {
    "namespace": re.compile(r" (-n|--namespace|-A|--all-namespaces)[ =]"),
    "context": re.compile(r" --context[ =]"),
    "kubeconfig": re.compile(r" --kubeconfig[ =]"),
}
_NOWHERE: Final = re.compile(r"kubectl( config .*| covet( [a-z]+)?| [a-z]+)?")
"""What names no object, so goes nowhere: `kubectl drain`, `kubectl covet why`."""

_target: contextvars.ContextVar[Target] = contextvars.ContextVar("target", default=Target())  # noqa: B039 -- frozen


def at(target: Target) -> None:
    """Let commands that are shown from now on go to a target."""
    _target.set(target)


def aim(text: str) -> str:
    """Return a sentence whose commands go to the target."""
    return _CALL.sub(lambda found: f"`{_aimed(found[1], _target.get())}`", text)


def _aimed(call: str, target: Target) -> str:
    if _NOWHERE.fullmatch(call):
        return call
    wanted = {"namespace": ("-n", target.namespace), "context": ("--context", target.context)}
    wanted |= {"kubeconfig": ("--kubeconfig", target.kubeconfig)}
    more = [
        f" {option} {shlex.quote(value)}"
        for name, (option, value) in wanted.items()
        if value is not None and not _NAMED[name].search(f"{call} ")
    ]
    return call + "".join(more)
