"""Until when certificates are valid, read from their bytes.

The agent loads no library for certificates (its memory is paid in every database pod), and Python's own
`ssl` tells the dates only of a peer. So the few fields before the dates are stepped over here.
"""

import datetime as dt
import re
import ssl
from typing import Final

from covet.core.errors import SpecError

_BLOCK: Final = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)
_SEQUENCE: Final = 0x30
_VERSION: Final = 0xA0
_UTC_TIME: Final = 0x17
_GENERALIZED_TIME: Final = 0x18


def ends(pem: bytes) -> list[float]:
    """Return when each certificate of a file stops being valid, as seconds since 1970, in the order of the file.

    Raises:
        SpecError: something between the marks is no certificate.
    """
    return [_end(ssl.PEM_cert_to_DER_cert(block.decode("ascii"))) for block in _BLOCK.findall(pem)]


def _end(der: bytes) -> float:
    """Return the second date of a certificate's validity."""
    try:
        signed = _open(_open(der, _SEQUENCE)[0], _SEQUENCE)[0]
        if signed[0] == _VERSION:
            signed = _open(signed, _VERSION)[1]
        for _ in ("serial number", "algorithm", "issuer"):
            signed = _open(signed, signed[0])[1]
        begins_and_ends = _open(signed, _SEQUENCE)[0]
        dates = _open(begins_and_ends, begins_and_ends[0])[1]
        kind, text = dates[0], _open(dates, dates[0])[0].decode("ascii")
        return _time(kind, text).timestamp()
    except (IndexError, ValueError) as error:
        raise SpecError("CertificateInvalid", f"The dates of a certificate cannot be read: {error}.") from error


def _open(data: bytes, kind: int) -> tuple[bytes, bytes]:
    """Return the content of the element that data begins with, and what comes after it."""
    if data[0] != kind:
        raise ValueError(f"expected element {kind:#x}, found {data[0]:#x}")
    length, begin = data[1], 2
    if length & 0x80:
        begin += length & 0x7F
        length = int.from_bytes(data[2:begin], "big")
    if begin + length > len(data):
        raise ValueError("an element is cut off")
    return data[begin : begin + length], data[begin + length :]


def _time(kind: int, text: str) -> dt.datetime:
    """Read a date; RFC 5280 allows two forms, both with seconds and in UTC."""
    if kind == _UTC_TIME:
        century = "19" if text[:2] >= "50" else "20"
        text = century + text
    elif kind != _GENERALIZED_TIME:
        raise ValueError(f"element {kind:#x} is no date")
    return dt.datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=dt.UTC)
