"""What was typed into a search, taken apart: words in every spelling, ids at Stripe, amounts, the brand of a card."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from registration.search import MAX_WORDS, spellings

STRIPE_ID = re.compile(r"(pi|ch|py|re|pyr)_\w+", re.ASCII)
AMOUNT = re.compile(r"[€$£]?([0-9]{1,7})(?:[.,]([0-9]{2}))?[€$£]?")
LAST_FOUR = re.compile("[0-9]{4}")
BRANDS = ("amex", "diners", "discover", "jcb", "mastercard", "unionpay", "visa")
FEWEST_OF_BRAND = 3
"""Fewer letters than these could be anything."""


@dataclass(frozen=True)
class Token:
    """One thing that was typed, and what else than words it may mean.

    Attributes:
        words: Its words, each in every spelling.
        amounts: The least amount that it may mean, and the first above: whole units mean any cents.
        brand: The brand of card that it is the beginning of.
    """

    words: tuple[tuple[str, ...], ...]
    amounts: tuple[Decimal, Decimal] | None = None
    brand: str = ""
    last_four: str = ""


@dataclass(frozen=True)
class Asked:
    """A whole search."""

    ids: tuple[str, ...]
    tokens: tuple[Token, ...]

    @property
    def leading(self) -> tuple[Token, ...]:
        """What the orders are looked up by: names, or without any name the digits of a card."""
        return tuple(token for token in self.tokens if token not in self.meaning)

    @property
    def meaning(self) -> tuple[Token, ...]:
        """What may mean something else than its words, as long as something stands beside it to look orders up by."""
        brands = [token for token in self.tokens if token.brand and self.last_fours]
        numbers = [token for token in self.tokens if token.amounts]
        if len(brands) + len(numbers) < len(self.tokens):
            return (*brands, *numbers)
        return tuple(brands)

    @property
    def last_fours(self) -> tuple[str, ...]:
        """What may be the last four digits of a card."""
        return tuple(token.last_four for token in self.tokens if token.last_four)


def read_search(text: str) -> Asked:
    """Take a search apart; of very many words the first ones count."""
    typed = text.split()[:MAX_WORDS]
    ids = tuple(each for each in typed if STRIPE_ID.fullmatch(each))
    tokens = (_token(each) for each in typed if each not in ids)
    return Asked(ids, tuple(token for token in tokens if token.words))


def words_of(tokens: Iterable[Token]) -> list[tuple[str, ...]]:
    """The words of some tokens, none twice."""
    return list(dict.fromkeys(word for token in tokens for word in token.words))[:MAX_WORDS]


def _token(typed: str) -> Token:
    words = tuple(spellings(typed))
    return Token(words, _amounts(typed), _brand(words), typed if LAST_FOUR.fullmatch(typed) else "")


def _amounts(typed: str) -> tuple[Decimal, Decimal] | None:
    if (number := AMOUNT.fullmatch(typed)) is None:
        return None
    least = Decimal(f"{number[1]}.{number[2] or '00'}")
    return least, least + (Decimal("0.01") if number[2] else 1)


def _brand(words: Sequence[tuple[str, ...]]) -> str:
    word = words[0][0] if len(words) == 1 else ""
    return next((brand for brand in BRANDS if brand.startswith(word)), "") if len(word) >= FEWEST_OF_BRAND else ""
