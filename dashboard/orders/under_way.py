"""What of an order was asked to go back and is not there: proposed, about to go, to be transferred, on its way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from registration.json_rows import fetched
from registration.models import Order, Refund, RefundPart
from registration.models.refund import ACCEPTED, WITH_STRIPE, State
from registration.money import ZERO

AT_STRIPE = (State.REQUESTED, State.UNCONFIRMED, *WITH_STRIPE)
"""Stripe has it or may have it, unless its refund can still be undone."""


@dataclass(frozen=True)
class Stage:
    """How much stands how far, in the order's currency; ``tone`` is that of its part of a bar."""

    tone: str
    label: str
    amount: Decimal


def stages(order: Order) -> list[Stage]:
    """How far what is not there has come, each stage only while it holds anything; without any, nothing is on its way.

    Reads what was fetched with the order.
    """
    waiting = (
        Stage("amber", _("Proposed"), proposed_amount(order)),
        Stage("amber", _about_to_be(order), held_amount(order)),
        Stage("amber", _("To pay back by hand"), transfer_amount(order)),
    )
    moving = Stage("moving", _("On its way"), moving_amount(order))
    return [stage for stage in (*waiting, moving) if stage.amount] or [moving]


def _about_to_be(order: Order) -> str:
    """What happens when the seconds to undo are over: only Stripe is sent anything."""
    channels = {part.channel for part in _held_parts(order)}
    return _("About to be sent") if RefundPart.Channel.STRIPE in channels else _("About to be recorded")


def about_to_be_words(held: Refund) -> str:
    """What happens to the amount of one refund then, to be filled in."""
    channels = {part.channel for part in fetched(held, "parts")}
    if not channels or RefundPart.Channel.STRIPE in channels:
        return _("%(amount)s about to be sent")
    by_hand = RefundPart.Channel.MANUAL in channels
    return _("%(amount)s about to be recorded") if by_hand else _("%(amount)s about to be given as credit")


def waiting_amount(order: Order) -> Decimal:
    """What is reserved and of which nothing has left, in the order's currency."""
    return proposed_amount(order) + held_amount(order) + transfer_amount(order)


def proposed_amount(order: Order) -> Decimal:
    """What is reserved until a second person decides, in the order's currency."""
    return _in_state(order, State.AWAITING_APPROVAL)


def held_amount(order: Order) -> Decimal:
    """What can still be undone, in the order's currency."""
    return _total(_held_parts(order))


def transfer_amount(order: Order) -> Decimal:
    """What somebody has to pay back by hand, in the order's currency."""
    return _in_state(order, State.AWAITING_TRANSFER)


def moving_amount(order: Order) -> Decimal:
    """What Stripe has, or may have, and has not passed on, in the order's currency."""
    return _total(part for refund, part in _parts(order) if part.state in AT_STRIPE and not refund.is_held)


def unconfirmed_amount(order: Order) -> Decimal:
    """What may or may not have gone out, in the order's currency."""
    return _in_state(order, State.UNCONFIRMED)


def settled_amount(order: Order) -> Decimal:
    """What went back and is not on its way any more, in the order's currency."""
    at_stripe = _total(part for part in parts_of(order) if part.state in ACCEPTED and part.state != State.SUCCEEDED)
    settled: Decimal = order.refunded_amount - at_stripe
    return max(settled, ZERO)


def parts_of(order: Order) -> list[RefundPart]:
    """All movements of all its refunds."""
    return [part for _refund, part in _parts(order)]


def _parts(order: Order) -> Iterator[tuple[Refund, RefundPart]]:
    return ((refund, part) for refund in fetched(order, "refunds") for part in fetched(refund, "parts"))


def _held_parts(order: Order) -> list[RefundPart]:
    return [part for refund, part in _parts(order) if refund.is_held]


def _in_state(order: Order, state: str) -> Decimal:
    return _total(part for part in parts_of(order) if part.state == state)


def _total(parts: Iterable[RefundPart]) -> Decimal:
    return sum((part.amount for part in parts), ZERO)
