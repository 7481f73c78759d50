"""Quantities: ``100m`` of a CPU, ``64Mi`` of memory, as exact integers and back.

Owns: the grammar of Kubernetes' quantities (a decimal number with a decimal SI
suffix, a binary suffix or an exponent), its canonical form and its rounding.

Invariant: no float is ever involved.  Inexact results are rounded up, as a
request for a resource must never be counted as less than it is.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

from podraft.api.meta.v1 import meta_pb2

Family = Literal["decimal", "binary", "exponent"]

_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_BINARY = {"Ki": 10, "Mi": 20, "Gi": 30, "Ti": 40, "Pi": 50, "Ei": 60}
_DECIMAL_SUFFIX = {exponent: suffix for suffix, exponent in _DECIMAL.items()}
_BINARY_DESCENDING = sorted(((1 << bits, s) for s, bits in _BINARY.items()), reverse=True)
_PATTERN = re.compile(
    r"([+-]?)(?:([0-9]+)(?:\.([0-9]*))?|\.([0-9]+))"
    r"(?:[eE]([+-]?[0-9]{1,3})|([KMGTPE]i|[numkMGTPE])?)",
    re.ASCII,
)
_NANO = 10**9
_NANO_MAX = (2**63 - 1) * _NANO
_LENGTH_MAX = 64
_EXPECTED = 'expected a number with an optional suffix, such as "500m", "1.5" or "64Mi"'


class InvalidQuantityError(ValueError):
    """The text is not a quantity, or exceeds 2^63 - 1; the message says which."""


class _Parsed(NamedTuple):
    nano: int
    family: Family


def _parse(text: str) -> _Parsed:
    # Longer texts are not quantities, so the cache stays small.
    if len(text) > _LENGTH_MAX:
        raise InvalidQuantityError(_EXPECTED)
    return _parse_cached(text)


@lru_cache(maxsize=8192)
def _parse_cached(text: str) -> _Parsed:
    match = _PATTERN.fullmatch(text)
    if match is None:
        raise InvalidQuantityError(_EXPECTED)
    sign, whole_digits, fraction_digits, bare_fraction, exponent, suffix = match.groups()
    fraction = bare_fraction or fraction_digits or ""
    digits = int((whole_digits or "0") + fraction)
    scale = 9 - len(fraction)
    family: Family = "decimal"
    if exponent is not None:
        scale += int(exponent)
        family = "exponent"
    elif suffix in _BINARY:
        digits <<= _BINARY[suffix]
        family = "binary"
    else:
        scale += _DECIMAL[suffix or ""]
    nano = digits * 10**scale if scale >= 0 else -(-digits // 10**-scale)
    if nano > _NANO_MAX:
        raise InvalidQuantityError("out of range: at most 2^63 - 1")
    return _Parsed(-nano if sign == "-" else nano, family)


def _text(quantity: meta_pb2.Quantity | str) -> str:
    if isinstance(quantity, str):
        return quantity
    return quantity.string or "0"


def milli(quantity: meta_pb2.Quantity | str) -> int:
    """Return a quantity in thousandths, rounded up, as CPU is counted.

    Raises:
        InvalidQuantityError: The text is not a quantity.

    """
    return -(-_parse(_text(quantity)).nano // 10**6)


def whole(quantity: meta_pb2.Quantity | str) -> int:
    """Return a quantity in units, rounded up: bytes, or a number of pods.

    Raises:
        InvalidQuantityError: The text is not a quantity.

    """
    return -(-_parse(_text(quantity)).nano // _NANO)


def nano(quantity: meta_pb2.Quantity | str) -> int:
    """Return a quantity in billionths, equal for two texts exactly if they mean the same value.

    Raises:
        InvalidQuantityError: The text is not a quantity.

    """
    return _parse(_text(quantity)).nano


def compare(first: meta_pb2.Quantity | str, second: meta_pb2.Quantity | str) -> int:
    """Return -1, 0 or 1 as ``first`` is less than, equal to or more than ``second``, exactly."""
    a, b = nano(first), nano(second)
    return (a > b) - (a < b)


def is_negative(quantity: meta_pb2.Quantity | str) -> bool:
    """Return whether a quantity is below zero."""
    return nano(quantity) < 0


def is_whole(quantity: meta_pb2.Quantity | str) -> bool:
    """Return whether a quantity has no fraction."""
    return _parse(_text(quantity)).nano % _NANO == 0


def canonical(text: str) -> str:
    """Return the one spelling of a quantity: no fraction, the largest suffix that is exact.

    The family of the suffix (decimal, binary, exponent) is kept, except that
    a binary quantity below 1Ki or with a fraction becomes a decimal one.

    Raises:
        InvalidQuantityError: The text is not a quantity.

    """
    nano, family = _parse(text)
    if family == "binary" and abs(nano) >= 1024 * _NANO and nano % _NANO == 0:
        return format_bytes(nano // _NANO)
    exponent = -9
    while nano and nano % 1000 == 0 and (family == "exponent" or exponent < 18):
        nano //= 1000
        exponent += 3
    if nano == 0:
        return "0"
    if family == "exponent":
        return f"{nano}e{exponent}" if exponent else str(nano)
    return f"{nano}{_DECIMAL_SUFFIX[exponent]}"


def format_milli(thousandths: int) -> str:
    """Return the canonical text of a number of thousandths: 1500 is ``1500m``, 2000 is ``2``."""
    return f"{thousandths // 1000}" if thousandths % 1000 == 0 else f"{thousandths}m"


def format_bytes(units: int) -> str:
    """Return the canonical text of a number of bytes: ``67108864`` is ``64Mi``."""
    for size, suffix in _BINARY_DESCENDING:
        if units and units % size == 0:
            return f"{units // size}{suffix}"
    return str(units)


def of(text: str) -> meta_pb2.Quantity:
    """Return the message for a quantity, in its canonical form.

    Raises:
        InvalidQuantityError: The text is not a quantity.

    """
    return meta_pb2.Quantity(string=canonical(text))
