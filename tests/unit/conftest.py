"""What holds for every unit test: properties are judged by their answers, and measuring costs little.

Python 3.11 runs everything several times slower while coverage is measured, also what nobody asks about. So it is
measured where it tells something new: not while pytest itself works, not in properties, whose hundreds of examples go
through the lines of the plain tests beside them, and not in every case of a test that is repeated with other values.
"""

import contextlib
import gc
import sys
from collections.abc import Generator, Iterator

import hypothesis
import pytest

hypothesis.settings.register_profile("covet", deadline=None, suppress_health_check=(hypothesis.HealthCheck.too_slow,))
hypothesis.settings.load_profile("covet")

_TRACE = sys.gettrace()
MEASURES = type(_TRACE).__module__.startswith("coverage.")
"""Whether the coverage of this process is measured; a debugger's trace is left alone."""
WANTED = pytest.StashKey[bool]()
"""Whether a test is one that is measured."""

_met: set[str] = set()
"""Tests that have run in this process, without their values."""


@contextlib.contextmanager
def measuring(*, wanted: bool) -> Iterator[None]:
    """Measure coverage within, or do not, where it is measured at all."""
    if not MEASURES:
        yield
        return
    before = sys.gettrace()
    sys.settrace(_TRACE if wanted else None)
    try:
        yield
    finally:
        sys.settrace(before)


def tells_something_new(item: pytest.Item) -> bool:
    """Return whether a test is no property, and the first of its name in this process."""
    name = item.nodeid.partition("[")[0]
    first = name not in _met
    _met.add(name)
    return first and not hypothesis.is_hypothesis_test(getattr(item, "obj", None))


def pytest_configure(config: pytest.Config) -> None:
    """Measure nothing in the process that only hands out tests to others."""
    if MEASURES and not hasattr(config, "workerinput") and config.getoption("numprocesses", None):
        sys.settrace(None)


def pytest_collection_finish() -> None:
    """Take what was imported for granted: looking for garbage among it again and again finds none."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Measure nothing but the phases of a test."""
    item.stash[WANTED] = tells_something_new(item)
    with measuring(wanted=False):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, None, None]:
    """Measure fixtures."""
    with measuring(wanted=item.stash[WANTED]):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, None, None]:
    """Measure a test."""
    with measuring(wanted=item.stash[WANTED]):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """Measure how fixtures end."""
    with measuring(wanted=item.stash[WANTED]):
        return (yield)
