"""Quoting: the only functions that put a foreign string into SQL, a conninfo or a settings file.

Values travel as parameters wherever the protocol allows it; statements that define roles and
databases do not, so their names and the verifier pass through here.
"""

from covet.core.errors import SpecError

MAX_IDENTIFIER_BYTES = 63
"""NAMEDATALEN - 1: PostgreSQL cuts longer names silently, so they are refused."""


def identifier(name: str) -> str:
    """Return a name as a quoted SQL identifier.

    Raises:
        SpecError: the name is empty, longer than 63 bytes or holds control characters.
    """
    if not name or not _is_text(name) or len(name.encode()) > MAX_IDENTIFIER_BYTES or _has_controls(name):
        raise SpecError(
            "NameInvalid", f"{name!r} cannot name a role or database: 1 to 63 bytes, no control characters."
        )
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Return a string as an SQL literal that reads the same under every standard_conforming_strings.

    Raises:
        SpecError: it holds a zero byte, or half of a character.
    """
    if "\0" in value or not _is_text(value):
        raise SpecError("ValueInvalid", "A zero byte or an unpaired surrogate cannot stand in a value.")
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"E'{escaped}'" if "\\" in value else f"'{escaped}'"


def conninfo(fields: dict[str, str]) -> str:
    """Return a libpq connection string, every value quoted."""
    parts = []
    for key, value in fields.items():
        escaped = value.replace("\\", "\\\\").replace("'", "\\'")
        parts.append(f"{key}='{escaped}'")
    return " ".join(parts)


def setting(value: str) -> str:
    """Return a value as postgresql.conf takes it.

    Raises:
        SpecError: a control character would end the line or hide one.
    """
    if _has_controls(value):
        raise SpecError("ParameterInvalid", "A setting cannot hold control characters.")
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def _is_text(text: str) -> bool:
    """Return whether a string has bytes at all: an unpaired surrogate has none."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _has_controls(text: str) -> bool:
    return any(ord(character) < 32 or ord(character) == 127 for character in text)
