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


def isolated(name: str) -> str:
    """A name that is written from right to left, kept from turning what stands beside it around."""
    turns = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in name)
    return f"{ISOLATE}{name}{END}" if turns else name
