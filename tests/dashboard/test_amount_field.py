"""What staff may type as an amount, and what they are told otherwise."""

from decimal import Decimal

import pytest
from django import forms

from dashboard.forms.fields import AmountField, PercentField


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("12.50", "12.50"),
        ("12,50", "12.50"),
        ("12.5", "12.5"),
        ("12", "12"),
        (" 12.50 ", "12.50"),
        ("0.01", "0.01"),
        ("0012.50", "12.50"),
        ("9999999999.99", "9999999999.99"),
    ],
)
def test_unambiguous_amount_is_understood(text: str, amount: str) -> None:
    assert AmountField(currency="EUR").clean(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "-5",
        "\N{MINUS SIGN}5",
        "0",
        "0.00",
        "12.505",
        "1e5",
        "1E5",
        "NaN",
        "Infinity",
        "1,234.56",
        "1.234,56",
        "1,234",
        "1 234",
        "1_000",
        "12.",
        ".50",
        "+12",
        "0x10",
        "\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT TWO}",
        "\N{ARABIC-INDIC DIGIT ONE}",
        "twelve",
        "12.50 EUR",
        "12.50\n13.50",
        "99999999999.00",
        "9" * 10_000,
        "1\x00",
    ],
)
def test_anything_else_is_told_what_to_type(text: str) -> None:
    with pytest.raises(forms.ValidationError) as refusal:
        AmountField(currency="EUR").clean(text)

    assert refusal.value.messages == ["Enter an amount like 12.50."]


@pytest.mark.parametrize("text", ["12.50", "12,5", "1.250", "1,250", "0", "1e3"])
def test_yen_are_whole(text: str) -> None:
    with pytest.raises(forms.ValidationError, match=r"Enter a whole amount like 1250\."):
        AmountField(currency="JPY").clean(text)


def test_yen_are_understood() -> None:
    assert AmountField(currency="JPY").clean("1250") == Decimal("1250")


def test_optional_amount_may_stay_empty() -> None:
    assert AmountField(currency="EUR", required=False).clean("") is None


def test_refused_text_stays_in_the_form() -> None:
    class OneAmount(forms.Form):
        amount = AmountField(currency="EUR")

    form = OneAmount({"amount": "1,234.56"})

    assert form.errors == {"amount": ["Enter an amount like 12.50."]}
    assert 'value="1,234.56"' in str(form["amount"])
    assert 'type="text"' in str(form["amount"])


@pytest.mark.parametrize(("text", "percent"), [("10", "10"), ("12.5", "12.5"), ("12,5", "12.5"), ("100", "100")])
def test_percentage_is_understood(text: str, percent: str) -> None:
    assert PercentField().clean(text) == Decimal(percent)


@pytest.mark.parametrize("text", ["", "0", "-1", "100.01", "101", "1e1", "ten", "10%", "12.505"])
def test_other_percentages_are_told_what_to_type(text: str) -> None:
    with pytest.raises(forms.ValidationError, match=r"Enter a percentage like 10\."):
        PercentField().clean(text)
