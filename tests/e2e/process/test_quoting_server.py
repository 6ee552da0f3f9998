"""A live server reads every hostile name and value back as it was given."""

import random

from covet.engines import quoting
from tests.e2e.process.shard import Shard

COUNT = 10_000
BATCH = 200
"""Columns of one query; the server takes at most 1664."""
PIECES = (
    *('"', '""', "'", "''", "\\", "\\'", '\\"', "$$", "$tag$", ";", "--", "/*", "*/", "%s", "%I", "{}", "$1", ":a"),
    *(" ", "\u00a0", "\u2028", "\u200b", "\ufeff", "\u202e", "ß", "İ", "字", "\U0001d518", "e\u0301", "\u02bc"),
    *("\uff02", "\uff07", "`", "|", "?", "=", ".", ",", "(", ")", "a", "0", "X"),
    *("select", "DROP ROLE app", "pg_", "public.", "U&", "E'"),
)
CONTROLS = ("\n", "\r", "\t", "\b", "\x1b", "\x7f", "\x01")


def hostile(dice: random.Random, pieces: tuple[str, ...], longest: int) -> str:
    """Return a text made of pieces that break careless quoting, of at most so many bytes."""
    text = "".join(dice.choices(pieces, k=dice.randint(1, 24)))
    return text.encode()[:longest].decode(errors="ignore") or "a"


async def test_ten_thousand_hostile_names_are_read_back_by_the_server(one: Shard) -> None:
    """Each name stands in a statement as an identifier, and the server answers with that very name."""
    dice = random.Random(15)
    names = [hostile(dice, PIECES, 63) for _ in range(COUNT)]
    session = await one.connect()
    try:
        for begin in range(0, COUNT, BATCH):
            batch = names[begin : begin + BATCH]
            columns = ", ".join(f"1 AS {quoting.identifier(name)}" for name in batch)
            prepared = await session.prepare(f"SELECT {columns}")
            assert batch == [column.name for column in prepared.get_attributes()]
        table = quoting.identifier('t"; DROP TABLE t; --')
        await session.execute(f"CREATE TEMPORARY TABLE {table} ({quoting.identifier(names[0])} integer)")
        found = await session.fetchrow(
            "SELECT relname, attname FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid"
            " WHERE relnamespace = pg_my_temp_schema() AND attnum = 1"
        )
        assert ('t"; DROP TABLE t; --', names[0]) == tuple(found)
    finally:
        await session.close()


async def test_ten_thousand_hostile_values_are_read_back_by_the_server(one: Shard) -> None:
    """Each value stands in a statement as a literal and comes back unchanged, backslashes read either way."""
    dice = random.Random(16)
    values = [hostile(dice, PIECES + CONTROLS, 200) for _ in range(COUNT)]
    session = await one.connect()
    try:
        for conforming in ("on", "off"):
            await session.execute(f"SET standard_conforming_strings = {conforming}; SET escape_string_warning = off")
            for begin in range(0, COUNT, BATCH):
                batch = values[begin : begin + BATCH]
                row = await session.fetchrow("SELECT " + ", ".join(quoting.literal(value) for value in batch))
                assert batch == list(row)
    finally:
        await session.close()
