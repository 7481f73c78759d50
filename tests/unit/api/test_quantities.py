"""Quantities are exact: they agree with decimal arithmetic, and round up."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_UP, Context, Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podraft.api import quantities
from podraft.api.meta.v1 import meta_pb2
from podraft.api.quantities import InvalidQuantityError, canonical

EXACT = Context(prec=200)
FACTORS = {
    **{
        s: Decimal(10) ** e for s, e in zip("num kMGTPE", range(-9, 19, 3), strict=True) if s != " "
    },
    "": Decimal(1),
    **{f"{s}i": Decimal(1024) ** n for n, s in enumerate("KMGTPE", 1)},
    **{f"e{n}": Decimal(10) ** n for n in range(-9, 13)},
}
LIMIT = Decimal(2**63 - 1)


@st.composite
def texts(draw: st.DrawFn) -> tuple[str, Decimal]:
    sign = draw(st.sampled_from(["", "+", "-"]))
    number = draw(st.from_regex(r"([0-9]{1,9}\.?[0-9]{0,9}|\.[0-9]{1,9})", fullmatch=True))
    number = "".join(c for c in number if c in "0123456789.") or "0"
    suffix = draw(st.sampled_from(sorted(FACTORS)))
    value = EXACT.multiply(Decimal(sign + number), FACTORS[suffix])
    return sign + number + suffix, value


def rounded_up(value: Decimal, unit: Decimal, rounding: str) -> int:
    return int(EXACT.divide(value, unit).to_integral_value(rounding=rounding, context=EXACT))


@settings(max_examples=500, deadline=None, database=None, print_blob=True)
@given(texts())
def test_parsing_agrees_with_decimal_arithmetic(drawn: tuple[str, Decimal]) -> None:
    text, value = drawn
    if abs(value) > LIMIT:
        with pytest.raises(InvalidQuantityError):
            quantities.milli(text)
        return
    # Below a billionth nothing is kept: such a rest counts as one more, away from zero.
    nano = Decimal(rounded_up(value, Decimal("1e-9"), ROUND_UP))
    assert quantities.milli(text) == rounded_up(nano, Decimal(10**6), ROUND_CEILING)
    assert quantities.whole(text) == rounded_up(nano, Decimal(10**9), ROUND_CEILING)
    assert quantities.is_negative(text) is (nano < 0)


@settings(max_examples=500, deadline=None, database=None, print_blob=True)
@given(texts())
def test_the_canonical_form_is_equal_and_final(drawn: tuple[str, Decimal]) -> None:
    text, value = drawn
    if abs(value) > LIMIT:
        return
    once = canonical(text)
    assert quantities.compare(once, text) == 0
    assert canonical(once) == once
    assert "." not in once


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.5", "500m"),
        (".5", "500m"),
        ("1000m", "1"),
        ("1000k", "1M"),
        ("1024Mi", "1Gi"),
        ("1.5Gi", "1536Mi"),
        ("0.5Ki", "512"),
        ("1Ki", "1Ki"),
        ("1e3", "1e3"),
        ("1500e3", "1500e3"),
        ("1E", "1E"),
        ("0Mi", "0"),
        ("-0", "0"),
        ("100", "100"),
        ("0.0000000001", "1n"),
    ],
)
def test_canonical_forms(text: str, expected: str) -> None:
    assert canonical(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m",
        "1x",
        "1 ",
        " 1",
        "1mi",
        "1KI",
        "0x1",
        "1..2",
        "--1",
        "1e",
        "1e3Mi",
        "\u0661",
        "1\n",
        "NaN",
        "9" * 99,
    ],
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuantityError, match="expected a number"):
        canonical(text)


@pytest.mark.parametrize("text", ["1e999", "8Ei", "10E"])
def test_what_is_too_large_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuantityError, match="out of range"):
        canonical(text)


def test_formats_and_messages() -> None:
    assert quantities.format_milli(1500) == "1500m"
    assert quantities.format_milli(2000) == "2"
    assert quantities.format_bytes(64 << 20) == "64Mi"
    assert quantities.format_bytes(1000) == "1000"
    assert quantities.of("0.1").string == "100m"
    assert quantities.milli(meta_pb2.Quantity()) == 0
    assert quantities.milli(quantities.of("0.1")) == 100
