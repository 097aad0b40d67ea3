"""Fields that read what staff type about money, strictly: an amount is understood or refused, never guessed."""

import re
from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.formats import number_format
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from registration.money import SYMBOLS, ZERO, places

RELOAD = _("This form is no longer complete. Close it and open it again.")
NO_SUCH_CHOICE = _("Choose one of those listed.")
DATE_LIKE = _("Enter a date like 2026-11-30.")
WHOLE_DIGITS = 10
"""What the database holds in front of the decimal mark."""
SPACES = " '\N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}\N{THIN SPACE}\N{RIGHT SINGLE QUOTATION MARK}"
"""Spaces and apostrophes, which stand between thousands and never before decimals."""
GROUPED = re.compile(rf"[1-9][0-9]{{0,2}}(?:([.,{SPACES}])[0-9]{{3}})(?:\1[0-9]{{3}})*(?![0-9])")
"""Digits in threes: ``1,234`` or ``1.234.567``, which may be the whole of an amount or the part before its mark."""
CODE = "(?<![A-Za-z])[A-Za-z]{3}(?![A-Za-z])"
SIGN = f"{CODE}|[A-Za-z]{{0,2}}[$\N{CENT SIGN}-\N{YEN SIGN}\N{EURO-CURRENCY SIGN}-\N{BITCOIN SIGN}]"
SPACE = "[ \N{NO-BREAK SPACE}\N{NARROW NO-BREAK SPACE}]?"
SIGNED = re.compile(rf"(?:({SIGN}){SPACE})?(.*?)(?:{SPACE}({SIGN}))?", re.DOTALL)
"""An amount with the sign or the code of a currency before it, behind it, or both."""
BELOW_ZERO = re.compile(r"[-\N{EN DASH}\N{MINUS SIGN}].*[0-9].*", re.DOTALL)
PERCENT = re.compile(rf"([0-9]{{1,{WHOLE_DIGITS}}}(?:[.,][0-9]{{1,{WHOLE_DIGITS}}})?)(?:{SPACE}%)?")
WHOLE, PERCENT_PLACES = 100, 2


def typed(amount: Decimal, currency: str) -> str:
    """An amount as its reader would type it: their decimal mark, and nothing between the thousands."""
    return number_format(amount, places(currency), use_l10n=True, force_grouping=False)


class AmountField(forms.CharField):
    """An amount in major units of one currency: ``12.50``, ``12,50``, ``1.234,50``, ``1 234,50`` or ``€1,234.50``.

    Both ways of writing are understood in every language, because what can be read in one way only means the same
    to everybody. What can be read in two, like ``1,234``, is refused with a sentence that says what to type. The
    currency's own sign or code may stand with the amount; that of another is refused, for nothing here is converted.
    """

    def __init__(self, *, currency: str = "USD", **options: Any) -> None:
        """Remember what the currency can express."""
        super().__init__(**options)
        # The pattern refuses null characters too, with the one sentence that helps.
        self.validators = []
        self.set_currency(currency)
        self.widget.attrs.update({"inputmode": "decimal", "autocomplete": "off"})

    def set_currency(self, currency: str) -> None:
        """Read in ``currency`` from now on; forms call this once they know their order."""
        self.currency = currency
        decimals = places(currency)
        fraction = rf"(?:[.,]([0-9]{{1,{decimals}}}))?" if decimals else "()"
        self.pattern = re.compile(rf"([0-9]{{1,{WHOLE_DIGITS}}}){fraction}")
        self.error_messages["amount"] = (
            _("Enter an amount like 12.50.") if decimals else _("Enter a whole amount like 1250.")
        )
        self.error_messages["required"] = self.error_messages["amount"]

    def prepare_value(self, value: Any) -> Any:
        """Show what the form proposes as the reader would type it; what was typed stays as it is."""
        return typed(value, self.currency) if isinstance(value, Decimal) else value

    def clean(self, value: Any) -> Decimal | None:
        """Return the amount, or nothing for an optional field left empty.

        Raises:
            ValidationError: The text is not one positive amount that the currency can express.
        """
        text = super().clean(value)
        if not text:
            return None
        match = self.pattern.fullmatch(self._ungrouped(self._unsigned(text)))
        if match is None:
            raise ValidationError(self.error_messages["amount"], code="amount")
        amount = Decimal(".".join(filter(None, match.groups())))
        if amount == 0:
            raise ValidationError(gettext("Enter an amount greater than zero."), code="zero")
        return amount

    def _unsigned(self, text: str) -> str:
        """Take off the sign of the currency.

        Raises:
            ValidationError: It is below zero, or of another currency.
        """
        before, amount, behind = SIGNED.fullmatch(text).groups()  # type: ignore[union-attr]
        if BELOW_ZERO.fullmatch(text) or BELOW_ZERO.fullmatch(amount):
            raise ValidationError(gettext("Enter the amount without a minus sign."), code="minus")
        own = {self.currency, SYMBOLS.get(self.currency, self.currency)}
        for sign in filter(None, (before, behind)):
            if re.search(r"[0-9]", amount) and sign.upper() not in own:
                sentence = gettext("Amounts here are in %(currency)s. Enter it in %(currency)s, without %(sign)s.")
                raise ValidationError(sentence % {"currency": self.currency, "sign": sign}, code="currency")
        return amount

    def _ungrouped(self, text: str) -> str:
        """Take out the marks between thousands.

        Raises:
            ValidationError: The only mark could as well be the decimal one.
        """
        grouped = GROUPED.match(text)
        if grouped is None:
            return text
        mark, digits, rest = grouped[1], grouped[0], text[grouped.end() :]
        if rest.startswith(mark):
            return text
        plain = digits.replace(mark, "")
        if not rest and mark not in SPACES and digits.count(mark) == 1 and places(self.currency):
            raise ValidationError(self._either(text, plain), code="ambiguous")
        return plain + rest

    def _either(self, text: str, plain: str) -> str:
        """Ask which of two readings is meant, and say what to type for each."""
        whole, decimals = re.split(r"[.,]", text)
        fraction = Decimal(f"{whole}.{decimals[: places(self.currency)]}")
        sentence = gettext(
            "%(text)s can be read in two ways. If you mean thousands, enter %(thousands)s;"
            " if not, at most %(places)s decimals, like %(decimals)s."
        )
        readings = {"thousands": typed(Decimal(plain), self.currency), "decimals": typed(fraction, self.currency)}
        return sentence % (readings | {"text": text, "places": places(self.currency)})


class AmountSeenField(forms.DecimalField):
    """An amount that the operator saw, sent along with the form."""

    widget = forms.HiddenInput

    def __init__(self) -> None:
        """Take what the form itself wrote, and nothing else."""
        codes = ("required", "invalid", "min_value", "max_digits", "max_decimal_places", "max_whole_digits")
        messages = dict.fromkeys(codes, RELOAD)
        super().__init__(max_digits=12, decimal_places=2, min_value=ZERO, error_messages=messages)


class PercentField(forms.CharField):
    """A share above zero and below 100 per cent, typed as ``10``, ``12.5`` or ``10 %``."""

    default_error_messages = {
        "required": _("Enter a percentage like 10."),
        "percent": _("Enter a percentage like 10."),
        "minus": _("Enter the percentage without a minus sign."),
        "zero": _("Enter a percentage greater than zero."),
        "whole": _("Enter a percentage below 100: nothing would go back."),
        "places": _("Enter a percentage with at most two decimal places, like 12.5."),
    }

    def __init__(self, **options: Any) -> None:
        """Offer the keyboard with digits on phones."""
        super().__init__(**options)
        # The pattern refuses null characters too, with the one sentence that helps.
        self.validators = []
        self.widget.attrs.update({"inputmode": "decimal", "autocomplete": "off"})

    def clean(self, value: Any) -> Decimal | None:
        """Return the percentage, or nothing for an optional field left empty.

        Raises:
            ValidationError: The text is not a number above 0 and below 100 with at most two places.
        """
        text = super().clean(value)
        if not text:
            return None
        match = PERCENT.fullmatch(text)
        percent = Decimal(match[1].replace(",", ".")) if match else None
        if wrong := self._wrong(text, percent):
            raise ValidationError(self.error_messages[wrong], code=wrong)
        return percent

    def _wrong(self, text: str, percent: Decimal | None) -> str:
        """Which sentence helps; empty when nothing is wrong."""
        if BELOW_ZERO.fullmatch(text):
            return "minus"
        if percent is None:
            return "percent"
        if percent == 0:
            return "zero"
        if percent >= WHOLE:
            return "whole"
        return "places" if percent != round(percent, PERCENT_PLACES) else ""
