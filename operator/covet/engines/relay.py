"""The server's log, passed on line by line: levels, SQLSTATE and process become fields.

A server that logs without end must not keep the agent's loop from its other work, so the reader gives way
after every batch; and what the agent's own dials make the server say frightens nobody.
"""

import asyncio
import logging
import re
import time
from typing import Final

from covet.engines import damage
from covet.engines.configuration import PROBE_USER

LOG: Final = logging.getLogger("covet.postgres")

BATCH_LINES: Final = 100
BATCH_SECONDS: Final = 0.01
"""A batch ends after this many lines or seconds, whichever comes first."""
_LINE: Final = re.compile(r"^(?P<code>[0-9A-Z]{5}) \[(?P<pid>\d+)\] (?P<rest>.*)$")
_LEVELS: Final = {"WARNING": logging.WARNING, "ERROR": logging.ERROR, "FATAL": logging.ERROR, "PANIC": logging.CRITICAL}
_PROBED: Final = f"{PROBE_USER}@"


class Relay:
    """Logs the lines of one server.

    Attributes:
        damage: the last line by which it named damage of its data or its log, empty without one.
    """

    def __init__(self) -> None:
        self._probed = False
        self.damage = ""

    def take(self, line: str) -> None:
        """Log one line with its SQLSTATE, process and level; lines that begin with a tab go on with the one before."""
        match = _LINE.match(line)
        if match is None:
            self._probed = self._probed and line.startswith("\t")
            LOG.log(logging.DEBUG if self._probed else logging.INFO, line, extra={"fields": {"source": "postgres"}})
            return
        rest = match["rest"]
        fields: dict[str, str | int] = {"source": "postgres", "pid": int(match["pid"])}
        if match["code"] != "00000":
            fields["sqlstate"] = match["code"]
        self._probed = rest.startswith(_PROBED)
        if self._probed:
            fields["reason"] = "AgentsOwnDial"
            LOG.debug(rest, extra={"fields": fields})
            return
        if damage.told_by(match["code"], rest):
            self.damage = rest
        level = next((number for word, number in _LEVELS.items() if f"{word}:  " in rest[:200]), logging.INFO)
        LOG.log(level, rest, extra={"fields": fields})


async def pump(stream: asyncio.StreamReader, relay: Relay) -> None:
    """Log a server's standard error until it ends, giving way to other work after every batch."""
    lines, began = 0, time.monotonic()
    while True:
        try:
            line = await stream.readline()
        except ValueError:
            continue  # longer than the reader's limit; the reader drops it
        if not line:
            return
        relay.take(line.decode(errors="replace").rstrip("\n"))
        lines += 1
        if lines >= BATCH_LINES or time.monotonic() - began > BATCH_SECONDS:
            await asyncio.sleep(0)  # a line that is there already makes readline go on without giving way
            lines, began = 0, time.monotonic()
