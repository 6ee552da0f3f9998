"""The table of server settings against a server: nothing missing, and values judged as the server judges them."""

import math
from collections.abc import Iterator

import pytest

from covet.planner import parameters, postgresql15
from covet.planner.setting import Kind, Setting
from tools import settings_table

VALUES = (
    (
        "work_mem",
        ("64", "63", "64kB", "65536B", "0.1GB", " 1 MB ", "1mb", "1 M", "0x100", "0100", "08", "1e3", "", "x"),
    ),
    ("shared_buffers", ("16", "15", "128kB", "120kB", "1GB", "-1")),
    ("statement_timeout", ("0", "5s", "1.5min", "1us", "2d", "600h", "5MB", "-1", "999999999999")),
    ("vacuum_cost_limit", ("1", "10000", "10001", "1.4", "0.4", "1B")),
    ("autovacuum_vacuum_cost_delay", ("2.5", "100", "101", "-1", "2ms", "2000us", "1s")),
    ("random_page_cost", ("1.1", "-0.1", "1e400", "nan", ".5", "5.", "0x10")),
    ("jit", ("on", "OFF", "t", "fal", "y", "no", "o", "of", "1", "0", "2", "", " on")),
    ("log_min_messages", ("warning", "PANIC", "loud", "")),
    ("wal_level", ("logical", "replica", "all")),
)
REFUSALS = ("invalid value", "outside the valid range", "requires a", "FATAL")
CASES = [(name, value) for name, values in VALUES for value in values]


@pytest.fixture(scope="module")
def database() -> Iterator[settings_table.Database]:
    """An empty database, for the server to look at its settings."""
    with settings_table.database() as made:
        yield made


def rows_of(module: str) -> dict[str, str]:
    """Return the rows of a table by name, but for those that only tell the server's version."""
    rows = dict(line.split("|", 1) for line in module.splitlines() if line.count("|") == 6)
    return {name: rest for name, rest in rows.items() if not name.startswith("server_version")}


def test_the_table_fits_the_installed_server() -> None:
    """A setting of another kind or bound is noticed, and one that the table lacks unless the server is a newer minor.

    Minor versions differ from machine to machine, and some add a setting; `make settings-table` writes the table anew.
    """
    found, known = settings_table.render(), settings_table.TARGET.read_text(encoding="utf-8")
    server, table = rows_of(found), rows_of(known)
    both = server.keys() & table.keys()
    assert {name: table[name] for name in both} == {name: server[name] for name in both}
    assert len(both) > 340
    newer = minor_of(found) > minor_of(known)
    assert newer or server.keys() <= table.keys()


def minor_of(module: str) -> int:
    """Return the version that a table was written from, as `server_version_num` gives it."""
    row = next(line for line in module.splitlines() if line.startswith("server_version_num|"))
    return int(row.rsplit("|", 2)[1])


@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_value_is_judged_as_the_server_judges_it(name: str, value: str, database: settings_table.Database) -> None:
    """What passes the table starts a server, and what the table refuses would not."""
    answer = database.run("postgres", "-D", str(database.data), "-c", f"{name}={value}", "-C", name, check=False)
    refused = any(words in answer for words in REFUSALS)
    assert refused == (postgresql15.SETTINGS[name].fault(value) is not None), answer


def edges(setting: Setting) -> list[str]:
    """Return the values at the edges of what a setting takes, just outside of them included."""
    if setting.kind is Kind.BOOL:
        return ["on", "off"]
    if setting.kind is Kind.ENUM:
        return list(setting.choices)
    numbers = (setting.low - 1, setting.low, setting.high, setting.high + 1)
    return [f"{number:.17g}" for number in numbers if math.isfinite(number)]


@pytest.mark.long
def test_what_passes_the_table_never_stops_a_server_from_reading_its_settings(
    database: settings_table.Database,
) -> None:
    """Every setting at its edges: what admission lets through, the server reads."""
    wrong = []
    here = rows_of(settings_table.render())
    for name, setting in postgresql15.SETTINGS.items():
        if name not in here:  # of a newer minor than the installed one
            continue
        for value in edges(setting):
            if parameters.refusals({name: value}):
                continue
            answer = database.run(
                "postgres", "-D", str(database.data), "-c", f"{name}={value}", "-C", name, check=False
            )
            if any(words in answer for words in REFUSALS):
                wrong.append((name, value, answer))
    assert [] == wrong
