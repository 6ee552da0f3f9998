"""Structured logs on standard error: one JSON object a line, or plain text for a person.

A thread writes them: whoever reads standard error may stop reading, and the loop must not wait for it.
"""

import atexit
import contextlib
import json
import logging
import logging.handlers
import queue
import sys
import threading
from typing import Final

from covet.core import clock

_LEVELS = {"WARNING": "warning", "ERROR": "error", "CRITICAL": "critical", "INFO": "info", "DEBUG": "debug"}


class JsonFormatter(logging.Formatter):
    """A record as one JSON object; `extra={"fields": {...}}` adds fields."""

    def __init__(self, instance: str) -> None:
        super().__init__()
        self._instance = instance
        self._clock = clock.Clock()

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        moment = self._clock.wall()
        line = {
            "ts": moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z",
            "level": _LEVELS.get(record.levelname, "info"),
            "logger": record.name,
            "instance": self._instance,
            "msg": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


WAITING_RECORDS: Final = 10_000
"""Records that may wait for the thread; past that the newest are dropped, and counted."""

FINISH_SECONDS: Final = 2.0
"""How long the end of the process waits for the log to be written."""


class Outlet(logging.handlers.QueueHandler):
    """Hands records to the thread that writes them; drops and counts what finds no room.

    Args:
        waiting: where records wait.
    """

    def __init__(self, waiting: "queue.Queue[logging.LogRecord | None]") -> None:
        super().__init__(waiting)
        self._waiting = waiting
        self._dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Return the record as it is: the thread is of this process and formats it whole."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Add a record, and say how many were dropped once there is room again."""
        try:
            if self._dropped:
                words = f"{self._dropped} records of the log were dropped: nobody read them."
                self._waiting.put_nowait(logging.LogRecord("covet.logs", logging.WARNING, "", 0, words, None, None))
                self._dropped = 0
            self._waiting.put_nowait(record)
        except queue.Full:
            self._dropped += 1


def configure(form: str, instance: str) -> None:
    """Send every log record to standard error in the given form."""
    handler = logging.StreamHandler(sys.stderr)
    if form == "json":
        handler.setFormatter(JsonFormatter(instance))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s %(message)s"))
    waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(WAITING_RECORDS)
    thread = threading.Thread(target=_write, args=(waiting, handler), name="log", daemon=True)
    thread.start()
    atexit.register(_finish, thread, waiting)
    logging.basicConfig(level=logging.INFO, handlers=[Outlet(waiting)], force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)


def _write(waiting: "queue.Queue[logging.LogRecord | None]", handler: logging.Handler) -> None:
    """Write records until a None comes; an error of a record is the handler's."""
    while (record := waiting.get()) is not None:
        handler.handle(record)


def _finish(thread: threading.Thread, waiting: "queue.Queue[logging.LogRecord | None]") -> None:
    """Have what waits written, unless nobody reads it."""
    with contextlib.suppress(queue.Full):
        waiting.put_nowait(None)
        thread.join(FINISH_SECONDS)
