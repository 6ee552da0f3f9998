"""Errors of the adapter become sentences with a code."""

import pytest

from covet.cli import failures
from covet.cli.failures import Exit
from covet.core.errors import CovetError, RefusedError, SpecError, UnreachableError


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (
            RefusedError("Forbidden", "GET /x: Unauthorized. The role"),
            Exit.FORBIDDEN,
            "does not accept your credentials",
        ),
        (UnreachableError("ApiServerUnreachable", "GET /x got no answer"), Exit.UNREACHABLE, "no answer. Try"),
        (SpecError("KubeconfigMissing", "There is none."), Exit.UNREACHABLE, "There is none."),
        (RefusedError("Invalid", "PATCH /x:\n no"), Exit.REFUSED, "PATCH /x: no."),
        (CovetError("NotFound", "GET /x: page not found"), Exit.NOT_FOUND, "Covet is not installed"),
    ],
)
def test_each_error_has_its_code(error: CovetError, code: Exit, words: str) -> None:
    """One line each, a whole sentence, and what to do where there is something."""
    failure = failures.of(error)
    assert code == failure.code
    assert words in failure.message
    assert "\n" not in failure.message


def test_the_server_s_own_words_name_the_right() -> None:
    """Which right was missing the server knows better than the caller."""
    message = 'covetclusters.covet.dev is forbidden: User "jane" cannot list resource "covetclusters" in API group'
    assert 'verbs: ["list"]' in failures.forbidden("get", "covetclusters", "prod", message).message
    assert 'verbs: ["get"]' in failures.forbidden("get", "covetclusters", "prod", "no idea").message
