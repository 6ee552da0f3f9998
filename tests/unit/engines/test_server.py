"""The server's log as the agent passes it on."""

import logging

import pytest

from covet.engines import server


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
        server.relay_line(line)
    (record,) = caplog.records
    assert (level, fields) == (record.levelno, vars(record)["fields"])
