"""File work in threads: it is over once its caller is, however often that one is cancelled."""

import asyncio
import threading

import pytest

from covet.agent import threads


@pytest.mark.parametrize("times", [1, 2, 3])
def test_whoever_is_cancelled_waits_for_the_thread(times: int) -> None:
    """A fence and a stop in a row cancel twice; nothing is written after the second."""
    gate, written = threading.Event(), []

    def work() -> None:
        gate.wait(10.0)
        written.append("a file")

    async def scenario() -> list[str]:
        begun = asyncio.create_task(threads.finish(work))
        for _ in range(times):
            await asyncio.sleep(0.01)
            begun.cancel()
        await asyncio.sleep(0.01)
        over = begun.done()
        gate.set()
        await asyncio.wait([begun], timeout=5.0)
        assert (False, True) == (over, begun.cancelled())
        return list(written)

    assert ["a file"] == asyncio.run(scenario())
