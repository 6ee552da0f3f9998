"""The page of the statements that the router takes and refuses, made from the cases that its tests try."""

import json
import pathlib
import re
from typing import Any, Final

FILE: Final = "sql.md"
_SOURCES: Final = pathlib.Path("rust-hasher/router/src/sql")
_INTRODUCTION: Final = """\
# Statements through the router

<!-- Generated from rust-hasher/router/src/sql/tests/cases.json and rust-hasher/router/src/sql/refusal.rs by
     `make generate`; edit those, not this page. -->

**Routers do not route by key yet**: this page tells what their part that reads SQL decides, so far by itself.

A statement goes where one PostgreSQL would have given the same answer, or it is refused by name. What the router does
not understand is refused, never guessed, and a write is never sent to every shard in the hope that one has the row.

The router reads a statement twice at most: once for every statement, token by token, to find its literals; and at the
first sight of a *template* (the statement without the values of its literals) with a parser. `EXPLAIN (COVET)` before
a statement tells where it would go, without running it.

What the router cannot see, and you have to know:

- Triggers, and the functions behind defaults, checks and operators of your own, run on the shard of the row and see
  that shard only. A trigger must not change the sharding key.
- System catalogs are those of one shard, whichever answers.
- Shards answer a read without the key each for itself, at slightly different moments; there is no snapshot over shards.
- Built-in functions that touch no table are known by name; any other function, also one of your own, needs a hint.

The cases below are tried by the router's tests, on these tables: `customers` and `orders` (key `tenant_id`, bigint and
integer), `sales.visits` (key `tenant_id`, smallint), `pages` (key `slug`, varchar(20)), `events` (key `id`, uuid),
`sites` (key `region`, by list), `countries` and `languages` (reference tables), `scratchpad` (not in the map), `rich`
(a view).
"""
_REFUSALS: Final = """\
## Refusals

Every one has a name that stays, and an SQLSTATE.

| name | SQLSTATE | meaning |
|---|---|---|
"""
_WORDS: Final = {
    "any": "one shard, whichever",
    "all": "all shards",
    "every": "all shards, rows one shard after the other",
    "session": "kept by the session",
    "transaction": "kept by the transaction",
    "explained": "answered by the router",
}
_FEATURE: Final = re.compile(r'^    (\w+) "(\w{5})" "((?:[^"\\]|\\.)*)"$', re.MULTILINE)


def features(source: str) -> dict[str, tuple[str, str]]:
    """Read the table of features: name -> (SQLSTATE, sentence)."""
    return {name: (code, says.replace('\\"', '"')) for name, code, says in _FEATURE.findall(source)}


def render(root: pathlib.Path) -> str:
    """Return the page as Markdown, from the sources of a checkout."""
    known = features((root / _SOURCES / "refusal.rs").read_text(encoding="utf-8"))
    cases = json.loads((root / _SOURCES / "tests" / "cases.json").read_text(encoding="utf-8"))
    parts = [_INTRODUCTION, *(_section(section, known) for section in cases["sections"])]
    rows = "".join(f"| `{name}` | {code} | {_cell(says)} |\n" for name, (code, says) in known.items())
    parts.append(_REFUSALS + rows)
    return "\n".join(parts)


def _section(section: dict[str, Any], known: dict[str, tuple[str, str]]) -> str:
    text = f"{section['text']}\n\n" if section["text"] else ""
    rows = "".join(f"| {_code(case[0])} | {_outcome(case[1], known)} |\n" for case in section["cases"])
    return f"## {section['title']}\n\n{text}| statement | goes to |\n|---|---|\n{rows}"


def _outcome(words: str, known: dict[str, tuple[str, str]]) -> str:
    kind, _, rest = words.partition(" ")
    if kind == "refused":
        return f"refused, `{rest}`: {_cell(known[rest][1])}"
    for before, after in (("owner of ", "the shard of "), ("owners of ", "the shards of ")):
        if words.startswith(before):
            return after + words.removeprefix(before).removeprefix("text ").removeprefix("uuid ").removeprefix(
                "region "
            )
    if words.startswith("rows to owners of "):
        return f"each row to the shard of its key ({words.removeprefix('rows to owners of ')})"
    if words.startswith("copy by column "):
        return f"each row to the shard of its column {words.removeprefix('copy by column ')}"
    return _WORDS.get(words, words)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(statement: str) -> str:
    fence = "``" if "`" in statement else "`"
    return fence + _cell(statement.replace("\n", " ⏎ ")) + fence


def write(root: pathlib.Path) -> None:
    """Write the page into a checkout."""
    (root / "docs" / FILE).write_text(render(root), encoding="utf-8")
