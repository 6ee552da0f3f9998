"""What leaves a cluster for somebody else's eyes carries no secret.

Two nets, one behind the other: fields whose names or kinds say that they hold a secret lose their value, and then the
text itself is searched for what looks like one, wherever it stands. Secrets themselves are never asked for.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

GONE: Final = "[redacted]"

_NAMES: Final = re.compile(
    r"pass(word|wd|phrase|code)?$|pwd$|secret$|token$|credentials?$|api[_-]?key$|private[_-]?key$|access[_-]?key$"
    r"|[_.-]key$|dsn$|conninfo$|authorization$|cookie$|connection[_-]?string$|database[_-]?ur[il]$",
    re.IGNORECASE,
)
"""Names of fields and variables whose value is a secret."""
_DROPPED: Final = frozenset({"kubectl.kubernetes.io/last-applied-configuration"})
"""Annotations that hold a whole object as text, in which no field can be told from another."""

_WORD: Final = r"(?:password|passwd|pwd|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key)"
_VALUE: Final = r"""\\"(?:(?!\\").)*\\"|"(?:\\.|[^"\\])*"|'(?:''|[^'])*'|[^\s,;&"'}\]]+"""
"""In quotes, in quotes that JSON has escaped, or a bare word."""
_PATTERNS: Final = tuple(
    (re.compile(pattern, flags), replacement)
    for pattern, flags, replacement in (
        # Keys, also where line ends are written out as \n, and where the end of the key is cut off.
        (
            r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)",
            re.DOTALL,
            f"-----{GONE} private key-----",
        ),
        # The same once more in base64, as a Secret holds it: a certificate goes too, which nobody misses.
        (r"LS0tLS1CRUdJT[A-Za-z0-9+/=\\]*(?:\n[A-Za-z0-9+/=]{60,})*", 0, GONE),
        # Connection strings as addresses: the login goes with the password.
        (r"(?<=://)[^\s/@\"'<>]{1,256}:[^\s\"'<>]{0,1024}@", 0, f"{GONE}@"),
        # What a server or a client wrote about a login.
        (r"SCRAM-SHA-(?:1|256)\$[^\s\"',;]+", 0, GONE),
        (r"\bmd5[0-9a-f]{32}\b", 0, GONE),
        (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?", 0, GONE),
        (r"\b((?:bearer|basic)\s+)[A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE, rf"\1{GONE}"),
        # SQL: PASSWORD 'x', and with the backslashes of JSON around it.
        (r"\b(password\s+)(E?\\?'(?:''|[^'])*'|\\?\"[^\"]*\"|\$\w*\$.*?\$\w*\$)", re.IGNORECASE, rf"\1{GONE}"),
        # password=x, "password": "x", PGPASSWORD: x
        (rf"({_WORD}(?:\\?[\"'])?\s*(?:=>|=|:)\s*)(?:{_VALUE})", re.IGNORECASE, rf"\1{GONE}"),
    )
)


def text(content: str) -> str:
    """Return text without what looks like a secret."""
    for pattern, replacement in _PATTERNS:
        content = pattern.sub(replacement, content)
    return content


def manifest(value: Any, name: str = "") -> Any:  # noqa: ANN401 -- any JSON value
    """Return an object as the API server gave it, without values whose field or variable is named like a secret.

    Args:
        value: any JSON value.
        name: of the field that it stands in.
    """
    if isinstance(value, Mapping):
        return _mapping(value)
    if isinstance(value, list):
        return [manifest(item, name) for item in value]
    if isinstance(value, str):
        return GONE if value and is_secret(name) else text(value)
    return value


def is_secret(name: str) -> bool:
    """Return whether what is called so is a secret."""
    return _NAMES.search(name) is not None


def _mapping(value: Mapping[str, Any]) -> dict[str, Any]:
    if value.get("kind") == "Secret":
        kept = {key: part for key, part in value.items() if key not in {"data", "stringData"}}
        return {**{key: manifest(part, key) for key, part in kept.items()}, "data": GONE}
    # A variable of a container: its name and its value stand side by side.
    named = value.get("name")
    found = {key: manifest(part, str(key)) for key, part in value.items() if key not in _DROPPED}
    if isinstance(named, str) and isinstance(value.get("value"), str) and is_secret(named):
        found["value"] = GONE
    return found
