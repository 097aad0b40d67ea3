"""Amounts: ``Decimal`` in major units inside, integers only at the Stripe door.

One table says what each currency can express. Source: the currency rules of ``money.md`` and Stripe's own page.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache

from django.core.exceptions import ValidationError
from django.utils.formats import number_format
from django.utils.translation import get_language, pgettext
from django.utils.translation import gettext as _

ZERO_DECIMAL = frozenset("BIF CLP DJF GNF JPY KMF KRW MGA PYG RWF VND VUV XAF XOF XPF".split())
WHOLE_BUT_SENT_WITH_TWO = frozenset(("ISK", "UGX"))
SHOWN_WHOLE = ZERO_DECIMAL | WHOLE_BUT_SENT_WITH_TWO
SENT_WITH_THREE = frozenset("BHD JOD KWD OMR TND".split())
SYMBOLS = {"EUR": "€", "USD": "$", "GBP": "£", "JPY": "¥"}
ZERO = Decimal("0.00")
STORED_STEP = Decimal("0.01")
"""What the database keeps. Fine enough for three-decimal currencies, whose last digit is always 0."""


def places(currency: str) -> int:
    """Decimal places that an amount in ``currency`` may use and is shown with."""
    return 0 if currency in SHOWN_WHOLE else 2


def stripe_places(currency: str) -> int:
    """Decimal places of the integer that Stripe expects for ``currency``."""
    if currency in ZERO_DECIMAL:
        return 0
    return 3 if currency in SENT_WITH_THREE else 2


def is_expressible(amount: Decimal, currency: str) -> bool:
    """Whether ``amount`` (major units) is a finite number that ``currency`` can express without rounding."""
    _sign, digits, exponent = amount.as_tuple()
    if not isinstance(exponent, int):
        return False
    # Read off the digits: arithmetic would first round a number of more than 28 of them.
    too_fine = -exponent - places(currency)
    return too_fine <= 0 or not any(digits[-too_fine:])


def to_minor_units(amount: Decimal, currency: str) -> int:
    """Convert major units to the integer Stripe expects.

    Raises:
        ValidationError: ``currency`` cannot express ``amount``; it is refused, never rounded.
    """
    if not is_expressible(amount, currency):
        raise ValidationError(_("%(currency)s cannot express this amount."), params={"currency": currency})
    return int(amount.scaleb(stripe_places(currency)))


def from_minor_units(amount_minor: int, currency: str) -> Decimal:
    """Convert Stripe's integer to major units, exactly."""
    return quantize_money(Decimal(amount_minor).scaleb(-stripe_places(currency)))


def quantize_money(amount: Decimal | int | None) -> Decimal:
    """The stored form of a sum: two places, nothing rounded away that a currency could express."""
    return Decimal(amount or 0).quantize(STORED_STEP)


def format_amount(amount: Decimal, currency: str, language: str | None = None) -> str:
    """``1,380.00`` in the reader's language, with a true minus sign and no symbol.

    Args:
        amount: In major units.
        currency: ISO code; says how many places are shown.
        language: That of the reader, from whoever knows it already: a list shows a hundred amounts.
    """
    text = _grouped(abs(amount), places(currency), language or get_language())
    return f"\N{MINUS SIGN}{text}" if amount < 0 else text


@lru_cache(maxsize=4096)
def _grouped(amount: Decimal, decimals: int, _language: str | None) -> str:
    """The digits of an amount; a list shows few prices many times."""
    return number_format(amount, decimals, use_l10n=True, force_grouping=True)


def format_money(amount: Decimal, currency: str) -> str:
    """``€1,380.00`` or ``1.380,00 €`` as the reader writes it; the code stands in for an unknown symbol."""
    language, symbol = get_language(), SYMBOLS.get(currency)
    values = {"symbol": symbol or currency, "amount": format_amount(abs(amount), currency, language)}
    text = _pattern(symbol is not None, language) % values
    return f"\N{MINUS SIGN}{text}" if amount < 0 else text


@lru_cache(maxsize=64)
def _pattern(has_symbol: bool, _language: str | None) -> str:
    """How an amount and its currency stand together; a page says it a hundred times."""
    if has_symbol:
        # Translators: an amount of money, "€1,380.00". A no-break space where the language wants one.
        return pgettext("money", "%(symbol)s%(amount)s")
    # Translators: an amount of a currency named by its code, "CHF 1,380.00", with a no-break space.
    return pgettext("money", "%(symbol)s\N{NO-BREAK SPACE}%(amount)s")


def split_by_weight(amount: Decimal, weights: Sequence[Decimal], currency: str) -> list[Decimal]:
    """Split ``amount`` in proportion to ``weights`` by largest remainders; the parts add up exactly.

    Args:
        amount: What to split, in major units that ``currency`` can express.
        weights: Not negative, with a positive sum.
        currency: ISO code; its smallest step is the unit of the split.
    """
    step = Decimal(1).scaleb(-places(currency))
    units, total = int(amount / step), sum(weights, Decimal(0))
    exact = [Decimal(units) * weight / total for weight in weights]
    floors = [int(share) for share in exact]
    by_remainder = sorted(range(len(exact)), key=lambda index: (floors[index] - exact[index], index))
    for index in by_remainder[: units - sum(floors)]:
        floors[index] += 1
    return [quantize_money(floor * step) for floor in floors]
