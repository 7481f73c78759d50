"""The list that checks write to, and the checks that many kinds share.

Owns: how a violation is worded when a value is missing, is not one of a few, or
lies out of a range.

Invariant: a check adds to the report, so that one answer names every fault; it raises only what
the report itself raises when there are too many faults to be of use.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from podraft.api import names, quantities
from podraft.api.meta.v1 import meta_pb2
from podraft.api.violations import Faults, shown

_PERCENT = re.compile(r"[0-9]{1,9}%")
_IPV4_PART = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_IPV4_PART}(?:\.{_IPV4_PART}){{3}}")


class Report(Faults):
    """The faults of one object, in the order in which they were found."""

    __slots__ = ()

    def required(self, field: str) -> None:
        """Note that a field is missing."""
        self.add(field, "is required")

    def name(self, field: str, value: str, problem: str | None) -> None:
        """Note what is wrong with a name according to ``names``, or that it is missing."""
        if not value:
            self.required(field)
        elif problem is not None:
            self.add(field, f"{shown(value)} {problem}")

    def one_of(self, field: str, value: str, options: Collection[str]) -> None:
        """Note a value that is none of ``options``."""
        if value not in options:
            self.add(
                field, f"expected one of {', '.join(filter(None, options))}, got {shown(value)}"
            )

    def no_nul(self, field: str, value: str) -> None:
        """Note a NUL, which would end an argument, a variable or a path early for the kernel."""
        if "\0" in value:
            self.add(field, f"must not contain a NUL character, is {shown(value)}")

    def at_least(self, field: str, value: int, low: int) -> None:
        """Note a value below ``low``."""
        if value < low:
            self.add(field, f"must be at least {low}, is {value}")

    def between(self, field: str, value: int, low: int, high: int) -> None:
        """Note a value outside ``low`` to ``high``, both allowed."""
        if not low <= value <= high:
            self.add(field, f"must be {low} to {high}, is {value}")


def check_labels(labels: Mapping[str, str], field: str, report: Report) -> None:
    """Check the keys and values of labels, or of a selector by equality."""
    for key, value in labels.items():
        if (problem := names.qualified(key)) is not None:
            report.add(field, f"key {shown(key)} {problem}")
        if (problem := names.label_value(value)) is not None:
            report.add(f"{field}[{key}]", f"{shown(value)} {problem}")


def check_port(value: meta_pb2.IntOrString, field: str, report: Report) -> None:
    """Check a port that is given by number or by name."""
    if value.type == 1:
        if (problem := names.port_name(value.str_val)) is not None:
            report.add(field, f"port name {shown(value.str_val)} {problem}")
    elif not 1 <= value.int_val <= 65535:
        report.add(field, f"must be 1 to 65535 or the name of a port, is {value.int_val}")


def check_count_or_percent(value: meta_pb2.IntOrString, field: str, report: Report) -> None:
    """Check a number of pods, or a share of them such as ``25%``."""
    if value.type == 1:
        if not _PERCENT.fullmatch(value.str_val):
            report.add(
                field,
                f'expected an integer or a percentage such as "25%", got {shown(value.str_val)}',
            )
    elif value.int_val < 0:
        report.add(field, f"must be at least 0, is {value.int_val}")


def check_exactly_one(
    chosen: list[str], options: tuple[str, ...], field: str, report: Report
) -> None:
    """Check that one of several alternatives was chosen."""
    if len(chosen) == 1:
        return
    expected = f"expected exactly one of {', '.join(options)}"
    report.add(field, f"{expected}, got {' and '.join(chosen) if chosen else 'none'}")


def check_quantity(quantity: meta_pb2.Quantity, field: str, report: Report) -> bool:
    """Check a quantity that may not be negative; return whether it is usable."""
    try:
        if not quantities.is_negative(quantity):
            return True
        report.add(field, f"must not be negative, is {quantity.string}")
    except quantities.InvalidQuantityError as error:
        report.add(field, f"{error}, got {shown(quantity.string)}")
    return False


def is_ipv4(text: str) -> bool:
    """Return whether a text is an IPv4 address in its only canonical form."""
    return _IPV4.fullmatch(text) is not None
