"""Quantities are compared as numbers."""

import decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covet.api import quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [("500m", "0.5"), ("2", "2"), (2, "2"), ("1.5", "1.5"), ("1k", "1000"), ("1Ki", "1024"), ("10Gi", "10737418240")],
)
def test_a_quantity_is_the_number_it_stands_for(text: str | int, value: str) -> None:
    """Milli, decimal and binary units mean what Kubernetes means by them."""
    assert decimal.Decimal(value) == quantity.parse(text)


@pytest.mark.parametrize("text", ["", "Gi", "10GB", "-1", "1e3", "1 Gi", "0x10", "1..5", "10gi", -1])
def test_what_is_no_quantity_is_refused_with_its_text(text: str | int) -> None:
    """A mistyped unit is told, and never read as another number."""
    with pytest.raises(ValueError, match="is not a quantity") as refused:
        quantity.parse(text)
    assert repr(str(text)) in str(refused.value)


def test_the_smaller_of_two_keeps_its_spelling() -> None:
    """A limit below the default becomes the request as the user wrote it."""
    assert "50m" == quantity.smaller("100m", "50m")
    assert "1Gi" == quantity.smaller("1Gi", "1024Mi")
    assert 1 == quantity.smaller("2", 1)


@given(st.integers(min_value=0, max_value=10**12))
def test_a_binary_unit_is_1024_of_the_one_below(amount: int) -> None:
    """Whatever the amount, one Mi is 1024 Ki."""
    assert quantity.parse(f"{amount}Mi") == 1024 * quantity.parse(f"{amount}Ki")
