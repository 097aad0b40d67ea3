"""Amounts and currencies: nothing is rounded away, nothing is a float."""

from decimal import Decimal

import pytest
from django.core.exceptions import ValidationError
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from registration.money import (
    format_money,
    from_minor_units,
    is_expressible,
    places,
    split_by_weight,
    to_minor_units,
)

CURRENCIES = ["EUR", "USD", "JPY", "KRW", "BIF", "ISK", "UGX", "BHD", "KWD", "TND", "XOF", "GBP"]
currency = st.sampled_from(CURRENCIES)


@pytest.mark.parametrize(
    ("amount", "code", "minor"),
    [("12.50", "EUR", 1250), ("1200", "JPY", 1200), ("12", "ISK", 1200), ("7", "UGX", 700), ("1.25", "KWD", 1250)],
)
@pytest.mark.trap(38)
def test_stripe_gets_the_integer_it_expects(amount: str, code: str, minor: int) -> None:
    assert to_minor_units(Decimal(amount), code) == minor


@given(currency, st.integers(min_value=1, max_value=10**9))
@pytest.mark.trap(38)
def test_every_currency_makes_the_round_trip(code: str, steps: int) -> None:
    amount = Decimal(steps).scaleb(-places(code))

    assert from_minor_units(to_minor_units(amount, code), code) == amount


@pytest.mark.parametrize(
    ("amount", "code"),
    [
        ("0.001", "EUR"),
        ("0.5", "JPY"),
        ("1.5", "UGX"),
        ("NaN", "EUR"),
        ("Infinity", "EUR"),
        ("1." + "0" * 40 + "1", "EUR"),
    ],
)
@pytest.mark.trap(38, 39)
def test_what_a_currency_cannot_express_is_refused(amount: str, code: str) -> None:
    assert not is_expressible(Decimal(amount), code)
    with pytest.raises(ValidationError):
        to_minor_units(Decimal(amount), code)


@given(
    currency,
    st.integers(min_value=1, max_value=10**7),
    st.lists(st.decimals(0, 1000, places=2), min_size=1, max_size=8),
)
@pytest.mark.trap(41)
def test_a_split_adds_up_to_the_smallest_step(code: str, steps: int, weights: list[Decimal]) -> None:
    weights = [*weights, Decimal(1)]
    amount = Decimal(steps).scaleb(-places(code))

    parts = split_by_weight(amount, weights, code)

    assert sum(parts) == amount
    assert all(part >= 0 and is_expressible(part, code) for part in parts)


def test_amounts_are_written_in_the_readers_form() -> None:
    assert format_money(Decimal("1380.00"), "EUR") == "€1,380.00"
    assert format_money(Decimal("-5"), "JPY") == "\N{MINUS SIGN}¥5"
    assert format_money(Decimal("5.5"), "CHF") == "CHF\N{NO-BREAK SPACE}5.50"
    with translation.override("de"):
        assert format_money(Decimal("1380.00"), "EUR") == "1.380,00\N{NO-BREAK SPACE}€"
        assert format_money(Decimal("-5.5"), "CHF") == "\N{MINUS SIGN}5,50\N{NO-BREAK SPACE}CHF"


@pytest.mark.parametrize("amount", ["0", "0.000", "1.50000", "1E+3", "12." + "0" * 40])
def test_zeros_behind_the_point_do_no_harm(amount: str) -> None:
    assert is_expressible(Decimal(amount), "EUR")
