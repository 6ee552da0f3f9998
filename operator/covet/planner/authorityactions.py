"""Actions on the authority of a cluster: the three steps from one to the next, each one write of its Secret."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class AnnounceAuthority:
    """Make the next authority, which is trusted from then on and signs nothing yet."""


@dataclasses.dataclass(frozen=True)
class SwitchAuthority:
    """Have the next authority sign; the one before is trusted on."""


@dataclasses.dataclass(frozen=True)
class DropAuthority:
    """End the trust in the authority before."""
