"""One setting of a database server: what a value of it looks like, checked as the server checks it.

A value that the server cannot read makes it ignore every change of its file at a reload and
refuse to start at all, so it has to be found before it is stored anywhere.
"""

import dataclasses
import enum
import math
import re
from collections.abc import Mapping
from typing import Final

_NUMBER: Final = re.compile(
    r"\s*([-+]?(?:0[xX][0-9a-fA-F]+|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?))\s*(\S*)\s*"
)
_BOOLEANS: Final = ("true", "false", "yes", "no", "on", "off")
_MEMORY: Final[Mapping[str, float]] = {"B": 1, "kB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30, "TB": 1 << 40}
_TIME: Final[Mapping[str, float]] = {"us": 1e-3, "ms": 1, "s": 1e3, "min": 6e4, "h": 3.6e6, "d": 8.64e7}
_BASES: Final[Mapping[str, float]] = {**_MEMORY, "8kB": 8 << 10, **_TIME}
_MAX_INTEGER: Final = 2**31 - 1
_LONG: Final = 64
"""Digits of a number beyond every bound."""


class Kind(enum.Enum):
    """The types of settings, as the server names them."""

    BOOL = "bool"
    ENUM = "enum"
    INTEGER = "integer"
    REAL = "real"
    STRING = "string"


@dataclasses.dataclass(frozen=True)
class Setting:
    """What the server says about one of its settings.

    Args:
        context: when a change takes effect and who may make it: `postmaster`, `sighup`, `user`, `internal` and so on.
        unit: what a number without a unit counts in, e.g. `kB`; empty if it has none.
        low: smallest number, in `unit`.
        high: largest number, in `unit`.
        choices: values of an enum.
    """

    kind: Kind
    context: str
    unit: str = ""
    low: float = -math.inf
    high: float = math.inf
    choices: tuple[str, ...] = ()

    def fault(self, value: str) -> str | None:
        """Return what is wrong with a value and what to write instead, None if nothing is."""
        if self.kind is Kind.BOOL:
            return None if _is_boolean(value) else "write on or off"
        if self.kind is Kind.ENUM:
            known = value.lower() in self.choices
            return None if known else f"write one of {', '.join(choice or repr(choice) for choice in self.choices)}"
        if self.kind is Kind.STRING:
            return None
        number = self.number(value)
        if number is None:
            return f"write a {'whole ' if self.kind is Kind.INTEGER else ''}number{self._units()}"
        if not self.low <= number <= self.high:
            return f"it must be between {self.amount(self.low)} and {self.amount(self.high)}"
        return None

    def number(self, value: str) -> float | None:
        """Return a number in the setting's unit, rounded as the server rounds; None if the server cannot read it."""
        found = _NUMBER.fullmatch(value)
        if found is None:
            return None
        number, unit = _plain(found[1], whole=self.kind is Kind.INTEGER), found[2]
        if number is None:
            return None
        if unit:
            if unit not in self._family():
                return None
            number *= _BASES[unit] / _BASES[self.unit]
        if self.kind is Kind.REAL:
            return number
        return float(round(number)) if math.isfinite(number) else number

    def amount(self, number: float) -> str:
        """Return a number in the setting's unit as a person writes it."""
        text = f"{number:.0f}" if number == int(number) and abs(number) <= _MAX_INTEGER else f"{number:g}"
        if not self.unit or number <= 0:
            return text
        if self.unit == "8kB":
            return f"{8 * number:.0f}kB"
        return f"{text}{self.unit}"

    def _family(self) -> Mapping[str, float]:
        if not self.unit:
            return {}
        return _TIME if self.unit in _TIME else _MEMORY

    def _units(self) -> str:
        if not self.unit:
            return " without a unit"
        pages = "pages of 8kB" if self.unit == "8kB" else self.unit
        return f", alone (in {pages}) or with one of the units {', '.join(self._family())}"


def _is_boolean(value: str) -> bool:
    folded = value.lower()
    if folded in {"0", "1"}:
        return True
    return folded not in {"", "o"} and any(word.startswith(folded) for word in _BOOLEANS)


def _plain(text: str, *, whole: bool) -> float | None:
    """Return the number that the server reads; a whole one may be hexadecimal or octal, as in C."""
    digits = text.lstrip("+-")
    sign = -1.0 if text.startswith("-") else 1.0
    octal = whole and digits.isdecimal() and digits.startswith("0") and len(digits) > 1
    if digits[:2] not in {"0x", "0X"} and not octal:
        return float(text)
    if octal and not set(digits) <= set("01234567"):
        return None
    return sign * (int(digits, 8 if octal else 16) if len(digits) < _LONG else math.inf)
