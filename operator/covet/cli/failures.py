"""How the command ends when it cannot do what was asked: one sentence, and a code that scripts can branch on."""

import enum
import re
from typing import Final

from covet.core import errors, names


class Exit(enum.IntEnum):
    """Exit codes; docs/cli.md lists them."""

    REFUSED = 1
    """The command or the operator said no: the order makes no sense, or is not safe, as things are."""
    USAGE = 2
    NOT_FOUND = 3
    FORBIDDEN = 4
    UNREACHABLE = 5
    """The API server does not answer, or there is no way to it."""
    WAITING = 6
    """`--wait` ended before the order was carried out; the order stands."""
    INTERNAL = 70
    INTERRUPTED = 130


class Failure(Exception):  # noqa: N818 -- it is how a command ends, and carries the code
    """The end of a command.

    Args:
        code: the exit code.
        message: what, why, and what to do; a sentence, more lines only where something is to be copied.
    """

    def __init__(self, code: Exit, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


_GROUPS: Final = {names.PLURAL: names.GROUP, "events": ""}


_DENIED: Final = re.compile(r'cannot (\w+) resource "(\w+)"')
"""How the API server words what a role does not allow."""


def forbidden(verb: str, plural: str, namespace: str, message: str = "") -> Failure:
    """Name a right that is missing, with the rule that grants it.

    Args:
        verb: what was asked, where the server's message does not say which right was missing.
        plural: on what.
        namespace: where.
        message: the API server's own words.
    """
    named = _DENIED.search(message)
    if named is not None and named[2] in _GROUPS:
        verb, plural = named[1], named[2]
    return Failure(
        Exit.FORBIDDEN,
        f"You may not {verb} {plural} in namespace {namespace}: ask whoever administers the cluster for a Role there"
        " with this rule, bound to you.\n"
        f'  - apiGroups: ["{_GROUPS[plural]}"]\n'
        f'    resources: ["{plural}"]\n'
        f'    verbs: ["{verb}"]',
    )


def no_cluster(name: str, namespace: str, there: tuple[str, ...]) -> Failure:
    """Say that a cluster is not there, and what is."""
    known = f"; there are: {', '.join(there)}" if there else ""
    return Failure(
        Exit.NOT_FOUND,
        f"There is no CovetCluster {name} in namespace {namespace}{known}."
        f" `kubectl get {names.PLURAL} --all-namespaces` lists them all.",
    )


def of(error: errors.CovetError) -> Failure:
    """Return how an error of the adapter ends the command, most specific first."""
    if error.reason == "NotFound":
        return Failure(
            Exit.NOT_FOUND,
            f"This Kubernetes has no {names.KIND}: Covet is not installed on it, or the context is another"
            " cluster's. `kubectl config current-context` names the context.",
        )
    if "Unauthorized" in error.message:
        return Failure(
            Exit.FORBIDDEN,
            "The API server does not accept your credentials: log in again, or choose another context"
            " (`kubectl config get-contexts`).",
        )
    if isinstance(error, errors.UnreachableError):
        return Failure(Exit.UNREACHABLE, f"{_sentence(error)} Try `kubectl version` with the same context.")
    if isinstance(error, errors.SpecError) and error.reason.startswith("Kubeconfig"):
        return Failure(Exit.UNREACHABLE, _sentence(error))
    return Failure(Exit.REFUSED, _sentence(error))


def _sentence(error: errors.CovetError) -> str:
    text = " ".join(error.message.split())
    return text if text.endswith((".", "!", "?")) else f"{text}."
