"""What staff may type as an amount, and what they are told otherwise."""

from decimal import Decimal

import pytest
from django import forms
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from dashboard.forms.fields import AmountField, PercentField
from registration.money import format_amount, format_money


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
        ("1,234.50", "1234.50"),
        ("1.234,50", "1234.50"),
        ("1234,5", "1234.5"),
        ("12.345,6", "12345.6"),
        ("1.234.567", "1234567"),
        ("1,234,567.89", "1234567.89"),
        ("1 000", "1000"),
        ("1 000,50", "1000.50"),
        ("1\N{NO-BREAK SPACE}000.5", "1000.5"),
        ("1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}567,89", "1234567.89"),
        ("1\N{THIN SPACE}000", "1000"),
        ("1'000", "1000"),
        ("1\N{RIGHT SINGLE QUOTATION MARK}000.50", "1000.50"),
        ("€ 1 000,50", "1000.50"),
        ("1 000 EUR", "1000"),
    ],
)
def test_unambiguous_amount_is_understood(text: str, amount: str) -> None:
    assert AmountField(currency="EUR").clean(text) == Decimal(amount)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "-",
        "€",
        "€ €5",
        "5 EURO",
        "1e5",
        "1E5",
        "NaN",
        "Infinity",
        "1234.567",
        "0.123",
        "1,2345",
        "1.234,567",
        "1,234,567,89",
        "1.234.56",
        "0.123,45",
        "123.456.789.012",
        "1 23",
        "1 2345",
        "1  234",
        "1 234 5",
        "1 234'567",
        "0 234",
        "12 ,50",
        "1_000",
        "12.",
        ".50",
        "+12",
        "0x10",
        "\N{FULLWIDTH DIGIT ONE}\N{FULLWIDTH DIGIT TWO}",
        "\N{ARABIC-INDIC DIGIT ONE}",
        "twelve",
        "12.50  EUR",
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


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("€40", "40"),
        ("40 €", "40"),
        ("40€", "40"),
        ("€ 40.50", "40.50"),
        ("40,50\N{NO-BREAK SPACE}€", "40.50"),
        ("40,50\N{NARROW NO-BREAK SPACE}€", "40.50"),
        ("40 EUR", "40"),
        ("EUR 40", "40"),
        ("40eur", "40"),
        ("€40 EUR", "40"),
        ("1.234,50 €", "1234.50"),
        ("€1,234.50", "1234.50"),
    ],
)
@pytest.mark.parametrize("language", ["en", "de"])
def test_own_currency_may_stand_with_the_amount(text: str, amount: str, language: str) -> None:
    with translation.override(language):
        assert AmountField(currency="EUR").clean(text) == Decimal(amount)


@pytest.mark.trap(39)
@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("$40", "$"),
        ("40 $", "$"),
        ("US$40", "US$"),
        ("40 USD", "USD"),
        ("chf 40", "chf"),
        ("£40", "£"),
        ("€40 USD", "USD"),
        ("\N{NEW SHEQEL SIGN}40", "\N{NEW SHEQEL SIGN}"),
    ],
)
def test_another_currency_is_never_taken_for_ours(text: str, sign: str) -> None:
    with pytest.raises(forms.ValidationError) as refusal:
        AmountField(currency="EUR").clean(text)

    assert refusal.value.messages == [f"Amounts here are in EUR. Enter it in EUR, without {sign}."]


def test_a_dollar_sign_says_nothing_about_other_dollars() -> None:
    with pytest.raises(forms.ValidationError, match=r"Amounts here are in CAD\."):
        AmountField(currency="CAD").clean("$40")
    assert AmountField(currency="CAD").clean("CAD 40") == Decimal("40")
    assert AmountField(currency="USD").clean("$40") == Decimal("40")


@pytest.mark.trap(39)
@pytest.mark.parametrize("text", ["-5", "\N{MINUS SIGN}5", "\N{EN DASH}5.00", "-€5", "€-5", "€ -5", "-5 EUR", "-0"])
def test_a_minus_has_its_own_sentence(text: str) -> None:
    with pytest.raises(forms.ValidationError) as refusal:
        AmountField(currency="EUR").clean(text)

    assert refusal.value.messages == ["Enter the amount without a minus sign."]


@pytest.mark.parametrize("text", ["0", "0.00", "00,0", "€0", "0 EUR"])
def test_nothing_has_its_own_sentence(text: str) -> None:
    with pytest.raises(forms.ValidationError) as refusal:
        AmountField(currency="EUR").clean(text)

    assert refusal.value.messages == ["Enter an amount greater than zero."]


@pytest.mark.trap(39)
@pytest.mark.parametrize("text", ["1,234", "1.234", "12.505", "999,999", "€1,234", "1.234 EUR"])
@pytest.mark.parametrize("language", ["en", "de"])
def test_what_can_be_read_in_two_ways_is_never_guessed(text: str, language: str) -> None:
    with translation.override(language), pytest.raises(forms.ValidationError) as refusal:
        AmountField(currency="EUR").clean(text)

    number = text.strip("€EUR ")
    example = f"{number.replace(',', '').replace('.', '')}{'.' if language == 'en' else ','}00"
    [sentence] = refusal.value.messages
    assert number in sentence
    assert example in sentence
    assert AmountField(currency="EUR").clean(example) == Decimal(example.replace(",", "."))


@given(
    st.decimals(min_value="0.01", max_value="9999999998.00", places=2),
    st.sampled_from(["EUR", "JPY"]),
    st.sampled_from(["en", "de"]),
)
def test_what_the_desk_writes_it_also_reads(amount: Decimal, currency: str, language: str) -> None:
    amount = amount if currency == "EUR" else amount.to_integral_value() + 1
    field = AmountField(currency=currency)

    with translation.override(language):
        assert field.clean(format_amount(amount, currency)) == amount
        assert field.clean(format_money(amount, currency)) == amount
        assert field.clean(field.prepare_value(amount)) == amount


@pytest.mark.parametrize("text", ["12.50", "12,5", "1.234,50", "¥12.50", "1e3"])
def test_yen_are_whole(text: str) -> None:
    with pytest.raises(forms.ValidationError, match=r"Enter a whole amount like 1250\."):
        AmountField(currency="JPY").clean(text)


@pytest.mark.parametrize("text", ["1250", "1,250", "1.250", "¥1,250", "1250 JPY"])
def test_yen_are_understood(text: str) -> None:
    assert AmountField(currency="JPY").clean(text) == Decimal("1250")


def test_optional_amount_may_stay_empty() -> None:
    assert AmountField(currency="EUR", required=False).clean("") is None


def test_refused_text_stays_in_the_form() -> None:
    class OneAmount(forms.Form):
        amount = AmountField(currency="EUR")

    form = OneAmount({"amount": "1,2345"})

    assert form.errors == {"amount": ["Enter an amount like 12.50."]}
    assert 'value="1,2345"' in str(form["amount"])
    assert 'type="text"' in str(form["amount"])


@pytest.mark.parametrize(
    ("text", "percent"),
    [
        ("10", "10"),
        ("12.5", "12.5"),
        ("12,5", "12.5"),
        ("99.99", "99.99"),
        ("0.01", "0.01"),
        ("12.50", "12.5"),
        ("10%", "10"),
        ("12,5\N{NO-BREAK SPACE}%", "12.5"),
    ],
)
def test_percentage_is_understood(text: str, percent: str) -> None:
    assert PercentField().clean(text) == Decimal(percent)


@pytest.mark.parametrize("text", ["", "1e1", "ten", "%", "%10", "10%%", "9" * 10_000, "1\x00"])
def test_other_percentages_are_told_what_to_type(text: str) -> None:
    with pytest.raises(forms.ValidationError, match=r"Enter a percentage like 10\."):
        PercentField().clean(text)


@pytest.mark.trap(39)
@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("0", "Enter a percentage greater than zero."),
        ("0.00 %", "Enter a percentage greater than zero."),
        ("-3", "Enter the percentage without a minus sign."),
        ("\N{MINUS SIGN}3 %", "Enter the percentage without a minus sign."),
        ("100", "Enter a percentage below 100: nothing would go back."),
        ("101", "Enter a percentage below 100: nothing would go back."),
        ("12.345", "Enter a percentage with at most two decimal places, like 12.5."),
        ("0,001", "Enter a percentage with at most two decimal places, like 12.5."),
    ],
)
def test_a_percentage_that_cannot_be_kept_says_why(text: str, sentence: str) -> None:
    with pytest.raises(forms.ValidationError) as refusal:
        PercentField().clean(text)

    assert refusal.value.messages == [sentence]
