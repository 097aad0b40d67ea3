"""How an order's attendee is called, wherever that is: as billed, else as the account has it."""

from __future__ import annotations

import unicodedata

from django.utils.translation import gettext as _

from registration.models import Order

ISOLATE, END = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"


def attendee_name(order: Order) -> str:
    """The name on the order, else the account's."""
    user = order.user
    return isolated(order.billing_name or user.get_full_name() or order.billing_email or user.get_username())


def attendee_email(order: Order) -> str:
    """The address on the order, else the account's."""
    return order.billing_email or order.user.email


def first_name(order: Order) -> str:
    """How a panel speaks of the attendee."""
    names = attendee_name(order).strip(ISOLATE + END).split()
    return isolated(names[0]) if names else _("The attendee")


def initials_of(name: str) -> str:
    """Up to two letters for an avatar: what the first and the last word begin with; a sign where there is no letter."""
    words = unicodedata.normalize("NFC", name).replace("@", " ").split()
    letters = [letter for letter in map(_first_letter, words) if letter]
    if letters:
        return isolated("".join(letters[:1] + letters[1:][-1:]))
    return next((sign for sign in name if unicodedata.category(sign) == "So"), "")


def _first_letter(word: str) -> str:
    """The first letter or digit with the marks above and below it, as a capital where that is one letter too."""
    start = next((at for at, sign in enumerate(word) if sign.isalnum()), len(word))
    end = next((at for at in range(start + 1, len(word)) if unicodedata.category(word[at])[0] != "M"), len(word))
    letter, capital = word[start:end], word[start:end].upper()
    return capital if len(capital) == len(letter) else letter


def isolated(name: str) -> str:
    """A name that is written from right to left, kept from turning what stands beside it around."""
    turns = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in name)
    return f"{ISOLATE}{name}{END}" if turns else name
