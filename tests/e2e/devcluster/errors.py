"""The one exception of the devcluster, so that its users catch one name."""


class DevclusterError(Exception):
    """Something the person at the keyboard can read and act upon."""
