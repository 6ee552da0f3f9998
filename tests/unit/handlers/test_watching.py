"""A watch that fell silent is noticed, and an idle one is left in peace."""

import pytest

from covet.controllers.round import Observed
from covet.handlers.watching import WatchMeter
from covet.kube import resources

KEY = ("ns", "shop-s0-a-0")


class FakeTime:
    """Seconds that move when told to."""

    now = 50.0

    def __call__(self) -> float:
        """Return them."""
        return self.now


@pytest.fixture
def time() -> FakeTime:
    """The clock of the meter."""
    return FakeTime()


@pytest.fixture
def meter(time: FakeTime) -> WatchMeter:
    """A meter that knows of nothing."""
    return WatchMeter(time)


def seen(version: str, key: tuple[str, str] = KEY, cluster: str = "shop") -> list[Observed]:
    """Return a pod as a round read it."""
    return [Observed(resources.POD, key, version, cluster)]


def test_an_idle_watch_has_no_lag(meter: WatchMeter, time: FakeTime) -> None:
    """Hours without a change are hours without lag."""
    meter.delivered(resources.POD, KEY, "7", cluster="shop")
    meter.read(seen("7"))
    time.now += 10_000
    assert 0.0 == meter.lag()


def test_a_silent_watch_lags(meter: WatchMeter, time: FakeTime) -> None:
    """A version that was read and not delivered is overdue from when it was read first."""
    meter.delivered(resources.POD, KEY, "7", cluster="shop")
    meter.read(seen("8"))
    time.now += 30
    meter.read(seen("9"))
    time.now += 40
    assert (70.0, 70.0, 0.0) == (meter.lag(), meter.lag(resources.POD), meter.lag(resources.CLUSTER))


def test_delivery_ends_the_lag(meter: WatchMeter, time: FakeTime) -> None:
    """A later version stands for all before it."""
    meter.read(seen("8"))
    time.now += 5
    meter.delivered(resources.POD, KEY, "9", cluster="shop")
    assert 0.0 == meter.lag()


def test_what_was_delivered_first_is_not_overdue(meter: WatchMeter) -> None:
    """The watch may be ahead of a round."""
    meter.delivered(resources.POD, KEY, "9", cluster="shop")
    meter.read(seen("8"))
    assert 0.0 == meter.lag()


def test_deletion_ends_the_lag(meter: WatchMeter, time: FakeTime) -> None:
    """What is gone is not waited for."""
    meter.read(seen("8"))
    meter.delivered(resources.POD, KEY, "9", cluster="shop", gone=True)
    time.now += 100
    assert 0.0 == meter.lag()


def test_a_cluster_that_is_gone_is_forgotten(meter: WatchMeter, time: FakeTime) -> None:
    """Its objects are waited for no more; those of a cluster with a longer name are."""
    meter.read(seen("8"))
    meter.read(seen("8", ("ns", "shopping-s0-a-0"), "shopping"))
    meter.forget("ns", "shop")
    time.now += 10
    assert {("ns", "shopping-s0-a-0")} == {key for _, key in meter._overdue}


def test_forgetting_a_cluster_leaves_its_neighbour(meter: WatchMeter, time: FakeTime) -> None:
    """`shop` is deleted beside `shop-eu`: what was delivered of shop-eu still counts."""
    key = ("ns", "shop-eu-s0-a-0")
    meter.delivered(resources.POD, key, "7", cluster="shop-eu")
    meter.delivered(resources.POD, KEY, "7", cluster="shop")
    meter.forget("ns", "shop")
    meter.read(seen("7", key, "shop-eu"))
    time.now += 100
    assert 0.0 == meter.lag()


def test_a_deletion_that_was_delivered_first_is_no_lag(meter: WatchMeter, time: FakeTime) -> None:
    """A round that listed a pod just before its deletion tells of it after the watch did."""
    meter.delivered(resources.POD, KEY, "9", cluster="shop", gone=True)
    meter.read(seen("8"))
    time.now += 100
    assert 0.0 == meter.lag()
