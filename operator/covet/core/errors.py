"""Errors of Covet: each one says what happened, why, and what to do about it.

Adapters translate the errors of libraries into these once, at the edge. `reason` is the
CamelCase fact that conditions, events and metrics carry.
"""


class CovetError(Exception):
    """Base of every error that Covet raises on purpose.

    Args:
        reason: a CamelCase fact, e.g. `VolumeForeign`.
        message: one or two sentences for a person: what, why, what to do.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


class SpecError(CovetError):
    """The user asked for something that Covet refuses; only the user can mend it."""


class UnreachableError(CovetError):
    """The other side did not answer in time. It may come back; nothing is concluded from it."""


class ConflictError(CovetError):
    """Somebody else changed the object first: look again before acting."""


class RefusedError(CovetError):
    """The other side understood and said no, with its reason."""
