"""What was observed of a cluster's routers in one round: frozen, complete, without opinions."""

import dataclasses
from typing import Final


@dataclasses.dataclass(frozen=True)
class RouterPod:
    """A router.

    Args:
        ready: it takes clients.
        current: it was made from the template that is wanted now.
        deleting: it was told to end.
        reason: why it cannot run, a CamelCase fact; empty if nothing is known against it.
        message: the same as a sentence.
    """

    name: str
    ready: bool = False
    current: bool = True
    deleting: bool = False
    reason: str = ""
    message: str = ""


@dataclasses.dataclass(frozen=True)
class RouterFacts:
    """The routers of a cluster.

    Args:
        replicas: how many there should be; 0 for none.
        missing: why there are none though some are asked for, a CamelCase fact; empty if nothing is missing.
        pods: those that are there.
        logins: roles whose verifiers the routers' Secret holds as it should.
        seconds: for how long the Secret has held what it does, 0 if it is about to change.
    """

    replicas: int = 0
    missing: str = ""
    pods: tuple[RouterPod, ...] = ()
    logins: frozenset[str] = frozenset()
    seconds: float = 0.0


NO_ROUTERS: Final = RouterFacts()
