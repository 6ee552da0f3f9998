"""What clients of the Service saw is measured from the fault, or from when the API server was back."""

from typing import Any

import pytest

from benchmarks.nemesis import judging, oracle
from benchmarks.nemesis.clients import DSN, RW
from benchmarks.nemesis.oracle import Ack, History

MS = oracle.MILLISECOND
HISTORY = History(
    tuple(
        Ack(number, 0, host, term, at * MS - 1, at * MS, way)
        for number, (host, term, at, way) in enumerate(
            [("a", 1, 100, RW), ("a", 1, 110, DSN), ("b", 2, 1000, DSN), ("b", 2, 3100, RW)]
        )
    ),
    frozenset(),
)


@pytest.mark.parametrize(
    ("returned", "expected"),
    [(None, {"service_ms": 3000.0}), (2600, {"service_after_api_ms": 500.0}), (3500, {"service_after_api_ms": 0.0})],
)
def test_the_service_is_timed_from_the_return_of_the_api_server(returned: int | None, expected: dict[str, Any]) -> None:
    """Nobody could publish the new leader before; where the Service led there already, nothing was waited for."""
    result: dict[str, Any] = {}
    judging.measure_service(HISTORY, 120 * MS, 1, None if returned is None else returned * MS, result)
    assert expected == result
