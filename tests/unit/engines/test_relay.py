"""The server's log as the agent passes it on."""

import asyncio
import logging

import pytest

from covet.engines import relay

PROBE = [
    '28P01 [7] covet_probe@postgres FATAL:  password authentication failed for user "covet_probe"',
    '28P01 [7] covet_probe@postgres DETAIL:  Role "covet_probe" does not exist.',
    '\tConnection matched pg_hba.conf line 6: "hostssl all all all scram-sha-256"',
]


@pytest.mark.parametrize(
    ("line", "level", "fields"),
    [
        ("00000 [12] LOG:  ready", logging.INFO, {"source": "postgres", "pid": 12}),
        (
            "28P01 [7] app@app FATAL:  no",
            logging.ERROR,
            {"source": "postgres", "pid": 7, "sqlstate": "28P01"},
        ),
        ("01000 [7] WARNING:  hm", logging.WARNING, {"source": "postgres", "pid": 7, "sqlstate": "01000"}),
        ("XX000 [7] PANIC:  oh", logging.CRITICAL, {"source": "postgres", "pid": 7, "sqlstate": "XX000"}),
        ("\tthe next line of a statement", logging.INFO, {"source": "postgres"}),
    ],
)
def test_a_line_keeps_its_level_and_code(
    caplog: pytest.LogCaptureFixture, line: str, level: int, fields: dict[str, object]
) -> None:
    """SQLSTATE and process become fields, the server's level becomes ours."""
    with caplog.at_level(logging.INFO, "covet.postgres"):
        relay.Relay().take(line)
    (record,) = caplog.records
    assert (level, fields) == (record.levelno, vars(record)["fields"])


def test_what_the_agents_own_dial_makes_the_server_say_is_no_error(caplog: pytest.LogCaptureFixture) -> None:
    """The dial that tells open from closed fails on purpose: its lines are for who debugs, those of others stay."""
    relayed = relay.Relay()
    with caplog.at_level(logging.DEBUG, "covet.postgres"):
        for line in [*PROBE, "\tmore", "28P01 [8] app@app FATAL:  no", "\tmore"]:
            relayed.take(line)
    levels = [record.levelno for record in caplog.records]
    assert [logging.DEBUG] * 4 + [logging.ERROR, logging.INFO] == levels
    assert "AgentsOwnDial" == vars(caplog.records[0])["fields"]["reason"]


async def test_a_server_that_logs_without_end_does_not_stop_the_loop() -> None:
    """While thousands of lines are there already, other work still gets its turns."""
    stream = asyncio.StreamReader(limit=1 << 20)
    stream.feed_data(b"00000 [12] LOG:  again\n" * 5000)
    stream.feed_eof()
    pumping = asyncio.create_task(relay.pump(stream, relay.Relay()))
    turns = 0
    while not pumping.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 5000 // relay.BATCH_LINES
