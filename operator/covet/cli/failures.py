"""How the command ends when it cannot do what was asked: one sentence, and a code that scripts can branch on."""

import contextlib
import enum
import re
from collections.abc import Iterator
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
    UNWELL = 7
    """`doctor` found something that has to be mended."""
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


GROUPS: Final = {
    names.PLURAL: names.GROUP,
    "events": "",
    "pods": "",
    "pods/log": "",
    "configmaps": "",
    "secrets": "",
    "persistentvolumeclaims": "",
    "statefulsets": "apps",
    "leases": "coordination.k8s.io",
    "networkpolicies": "networking.k8s.io",
    "poddisruptionbudgets": "policy",
    "podmonitors": "monitoring.coreos.com",
    "storageclasses": "storage.k8s.io",
    "customresourcedefinitions": "apiextensions.k8s.io",
    "selfsubjectaccessreviews": "authorization.k8s.io",
}
"""API group of everything that the command asks for; a test compares it with the table of rights."""

_DENIED: Final = re.compile(r'cannot (\w+) resource "([\w/]+)"')
"""How the API server words what a role does not allow."""


def forbidden(verb: str, plural: str, namespace: str, message: str = "") -> Failure:
    """Name a right that is missing, with the rule that grants it.

    Args:
        verb: what was asked, where the server's message does not say which right was missing.
        plural: on what.
        namespace: where; empty for what belongs to none.
        message: the API server's own words.
    """
    named = _DENIED.search(message)
    if named is not None and named[2] in GROUPS:
        verb, plural = named[1], named[2]
    where, role = f" in namespace {namespace}", "a Role there"
    if not namespace:
        where, role = "", "a ClusterRole"
    return Failure(
        Exit.FORBIDDEN,
        f"You may not {verb} {plural}{where}: ask whoever administers the cluster for {role}"
        f" with this rule, bound to you.\n{rule(verb, plural)}",
    )


def rule(verb: str, plural: str) -> str:
    """Return the rule of a role that grants a right, as YAML."""
    return f'  - apiGroups: ["{GROUPS[plural]}"]\n    resources: ["{plural}"]\n    verbs: ["{verb}"]'


@contextlib.contextmanager
def translated(verb: str, plural: str, namespace: str) -> Iterator[None]:
    """Turn errors of the adapter into failures; conflicts pass, for whoever tries again.

    Args:
        verb: what is asked, e.g. `list`.
        plural: on what, with its subresource: `pods/log`.
        namespace: where; empty for what belongs to none.
    """
    try:
        yield
    except errors.ConflictError:
        raise
    except errors.CovetError as error:
        if error.reason == "Forbidden" and "Unauthorized" not in error.message:
            raise forbidden(verb, plural, namespace, error.message) from error
        raise of(error) from error


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
