"""Structured logs on standard error: one JSON object a line, or plain text for a person."""

import json
import logging
import sys

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


def configure(form: str, instance: str) -> None:
    """Send every log record to standard error in the given form."""
    handler = logging.StreamHandler(sys.stderr)
    if form == "json":
        handler.setFormatter(JsonFormatter(instance))
    else:
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s %(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
