"""Nothing that a user names can leave its quotes."""

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.core.errors import SpecError
from covet.engines import quoting


@pytest.mark.parametrize(
    ("name", "quoted"),
    [("app", '"app"'), ('a"b', '"a""b"'), ("Größe", '"Größe"'), ("select", '"select"')],
)
def test_identifiers(name: str, quoted: str) -> None:
    """A name stands in double quotes, its own doubled."""
    assert quoted == quoting.identifier(name)


@pytest.mark.parametrize("name", ["", "x" * 64, "ü" * 32, "a\0b", "a\nb", "\ud800"])
def test_names_that_the_server_would_change_are_refused(name: str) -> None:
    """Empty, too long in bytes, or with control characters: refused and not cut."""
    with pytest.raises(SpecError):
        quoting.identifier(name)


@given(st.text(max_size=30))
def test_a_name_never_leaves_its_quotes(name: str) -> None:
    """Read back as the server reads it, the quoted name is the name."""
    try:
        quoted = quoting.identifier(name)
    except SpecError:
        return
    assert name == quoted[1:-1].replace('""', '"')
    assert '"' not in quoted[1:-1].replace('""', "")


@given(st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=30))
def test_a_literal_never_leaves_its_quotes(value: str) -> None:
    """Read back as the server reads it, the literal is the value."""
    quoted = quoting.literal(value)
    body = quoted.removeprefix("E")[1:-1]
    assert "'" not in body.replace("''", "")
    read = body.replace("''", "'")
    assert value == (read.replace("\\\\", "\\") if quoted.startswith("E") else read)


@pytest.mark.parametrize("value", ["a\0b", "\udfff"])
def test_a_value_that_no_server_can_store_is_refused(value: str) -> None:
    """A zero byte and half a character are refused by name, not by a library's error."""
    with pytest.raises(SpecError):
        quoting.literal(value)


@given(st.dictionaries(st.sampled_from(["host", "user", "sslkey"]), st.text(max_size=20)))
def test_a_conninfo_is_read_back(fields: dict[str, str]) -> None:
    """Libpq finds the values that were put in, whatever quotes and backslashes they hold."""
    assert fields == read_conninfo(quoting.conninfo(fields))


def read_conninfo(text: str) -> dict[str, str]:
    """Read a conninfo by the rules of libpq: key, `=`, a quoted value with backslash escapes."""
    found: dict[str, str] = {}
    position = 0
    while position < len(text):
        key, _, rest = text[position:].partition("='")
        value, index = "", 0
        while rest[index] != "'":
            index += rest[index] == "\\"
            value += rest[index]
            index += 1
        found[key.strip()] = value
        position = len(text) - len(rest) + index + 1
    return found


@pytest.mark.parametrize("value", ["a\nb", "\0", "x\r"])
def test_a_setting_stays_on_its_line(value: str) -> None:
    """A value that would begin a new line of the file is refused."""
    with pytest.raises(SpecError):
        quoting.setting(value)


DEFINES = re.compile(r"\b(CREATE|ALTER|DROP|GRANT|REVOKE|REASSIGN|COMMENT|SET)\s+[A-Z{]|^\s*(CREATE|ALTER)\b|\bROLE\b")
"""Statements that take no parameters, and so need their names quoted."""
QUOTED = {"identifier", "literal"}
SOURCES = sorted(Path(quoting.__file__).parents[1].rglob("*.py"))


def unquoted(tree: ast.AST) -> list[str]:
    """Return what stands in a statement that defines something without having gone through a quoting function."""
    found: list[str] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.JoinedStr):
            continue
        words = "".join(str(part.value) if isinstance(part, ast.Constant) else "{" for part in node.values)
        if not DEFINES.search(words):
            continue
        parts = (part.value for part in node.values if isinstance(part, ast.FormattedValue))
        found.extend(ast.unparse(part) for part in parts if not is_quoted(part))
    return found


def is_quoted(value: ast.expr) -> bool:
    """Return whether a value is the answer of a quoting function, or one of the words CREATE and ALTER."""
    if isinstance(value, ast.Call):
        name = value.func.attr if isinstance(value.func, ast.Attribute) else getattr(value.func, "id", "")
        return name in QUOTED
    return isinstance(value, ast.Name) and value.id in {"verb", "quoted"}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_no_statement_is_put_together_without_the_quoting_functions(source: Path) -> None:
    """Names and values reach a statement that takes no parameters through `identifier` and `literal` alone."""
    assert [] == unquoted(ast.parse(source.read_text()))


def test_a_statement_without_quotes_is_found() -> None:
    """The search finds what it is there to find."""
    assert ["name"] == unquoted(ast.parse('f"DROP ROLE {name}"'))
    assert [] == unquoted(ast.parse('f"DROP ROLE {identifier(name)}"'))
