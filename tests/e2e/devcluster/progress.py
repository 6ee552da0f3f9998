"""Say what is going on and how long each step took.

On a terminal the current step spins; elsewhere (a log, CI) each step is one
plain line when it ends, so that nothing has to be scrolled away.
"""

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console

Say = Callable[[str], None]


class Progress:
    """Times the steps of one command and prints them; ``steps`` holds (title, seconds)."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.steps: list[tuple[str, float]] = []

    @contextlib.contextmanager
    def step(self, title: str) -> Iterator[Say]:
        """One step; the value is a function that says something about its advance."""
        began = time.monotonic()
        if self.console.is_terminal:
            with self.console.status(title) as status:
                yield lambda text: status.update(f"{title}: {text}")
        else:
            yield lambda text: self.console.print(f"  {title}: {text}", highlight=False)
        seconds = time.monotonic() - began
        self.steps.append((title, seconds))
        self.console.print(f"{seconds:6.1f} s  {title}", highlight=False)


class Silence(Progress):
    """Times the steps and prints nothing: for tests."""

    def __init__(self) -> None:
        super().__init__(Console(quiet=True))
