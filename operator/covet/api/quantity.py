"""Kubernetes quantities (`500m`, `10Gi`): compared as numbers, never as text."""

import decimal
import functools
import re
from typing import Final

PATTERN: Final = r"^[0-9]{1,15}(\.[0-9]{1,9})?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$"
"""The quantities that make sense here: no sign, no exponent."""
MAX_LENGTH: Final = 28

_SCALE: Final = {
    "m": decimal.Decimal("0.001"),
    "": decimal.Decimal(1),
    "k": decimal.Decimal(10**3),
    "M": decimal.Decimal(10**6),
    "G": decimal.Decimal(10**9),
    "T": decimal.Decimal(10**12),
    "P": decimal.Decimal(10**15),
    "Ki": decimal.Decimal(2**10),
    "Mi": decimal.Decimal(2**20),
    "Gi": decimal.Decimal(2**30),
    "Ti": decimal.Decimal(2**40),
    "Pi": decimal.Decimal(2**50),
}
_PARTS: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([A-Za-z]*)")


@functools.lru_cache(maxsize=1024)  # a plan asks for the same few again and again
def parse(text: str | int) -> decimal.Decimal:
    """Return the number a quantity stands for: bytes, cores.

    Raises:
        ValueError: the text is no quantity of the form `PATTERN`.
    """
    written = str(text)
    found = _PARTS.fullmatch(written)
    if re.fullmatch(PATTERN, written) is None or found is None:
        raise ValueError(f"{written!r} is not a quantity such as 500m, 2 or 10Gi")
    return decimal.Decimal(found[1]) * _SCALE[found[2]]


def smaller(one: str | int, other: str | int) -> str | int:
    """Return the smaller of two quantities, as it was written; the first of two equal ones."""
    return one if parse(one) <= parse(other) else other
