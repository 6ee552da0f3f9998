"""How an API server of tests fails its callers: late, busy, broken, or with a write done and its answer lost."""

import asyncio
import dataclasses
import random
from typing import Final

from covet.testing.requests import Refusal

_SAID: Final = {
    409: ("Conflict", "the object has been modified; please apply your changes to the latest version and try again"),
    429: ("TooManyRequests", "the server has received too many requests and has asked us to try again later"),
    500: ("InternalError", "an error on the server has prevented the request from succeeding"),
}


@dataclasses.dataclass
class Trouble:
    """What happens to calls; `struck` counts those that something happened to.

    Args:
        status: what calls are refused with: 409 (writes only), 429 or 500.
        share: of calls that are, 0 to 1.
        lost: share of writes that are carried out and answered with 500 all the same.
        delay: seconds that every call takes.
        dice: decides which.
    """

    status: int = 500
    share: float = 0.0
    lost: float = 0.0
    delay: float = 0.0
    dice: random.Random = dataclasses.field(default_factory=lambda: random.Random(1))
    struck: int = 0

    async def before(self, method: str) -> None:
        """Let a call wait, and perhaps fail.

        Raises:
            Refusal: it fails.
        """
        if self.delay:
            self.struck += 1
            await asyncio.sleep(self.delay)
        applies = self.status != 409 or method != "GET"
        if applies and self.dice.random() < self.share:
            self.struck += 1
            raise Refusal(self.status, *_SAID[self.status])

    def after(self, method: str) -> None:
        """Lose the answer of a write that was carried out, perhaps.

        Raises:
            Refusal: it is lost.
        """
        if method != "GET" and self.dice.random() < self.lost:
            self.struck += 1
            raise Refusal(500, *_SAID[500])
