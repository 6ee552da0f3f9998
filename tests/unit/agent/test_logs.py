"""Logs go to a thread, so that nobody who stops reading them stops the agent."""

import logging
import queue

from covet.agent import logs


def test_a_reader_that_stopped_costs_records_and_no_time() -> None:
    """Without room records are dropped; once there is room again the log says how many."""
    waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(2)
    outlet = logs.Outlet(waiting)
    for number in range(5):
        outlet.handle(record(str(number)))
    assert ["0", "1"] == read(waiting)
    outlet.handle(record("5"))
    assert ["3 records of the log were dropped: nobody read them.", "5"] == read(waiting)


def record(words: str) -> logging.LogRecord:
    """Return a record that says something."""
    return logging.LogRecord("covet.test", logging.INFO, "", 0, words, None, None)


def read(waiting: "queue.Queue[logging.LogRecord | None]") -> list[str]:
    """Take out all that waits."""
    found = []
    while not waiting.empty():
        taken = waiting.get_nowait()
        assert taken is not None
        found.append(taken.getMessage())
    return found
