"""What can be done about the application's logins, one rotation after the other: values, as in `actions`."""

import dataclasses

from covet.planner.record import Rotation


@dataclasses.dataclass(frozen=True)
class BeginRotation:
    """Record which login follows which, by compare-and-set."""

    rotation: Rotation


@dataclasses.dataclass(frozen=True)
class StageLogin:
    """Make the next login's password and keep it in the Secret beside the one in force."""

    login: str


@dataclasses.dataclass(frozen=True)
class SwitchLogin:
    """Have the Secret name the next login, if its password is still the one with this digest."""

    login: str
    digest: str


@dataclasses.dataclass(frozen=True)
class EndRotation:
    """Record that nobody can log in as the former role any more."""

    rotation: Rotation
    former: str


@dataclasses.dataclass(frozen=True)
class PutLogin:
    """Have the leader give a login role of the owner its password.

    Args:
        staged: it is the next login's; else the one in force.
    """

    shard: str
    leader: str
    login: str
    staged: bool


@dataclasses.dataclass(frozen=True)
class RetireLogin:
    """Have the leader let nobody log in as a role that nothing uses."""

    shard: str
    leader: str
    login: str
