"""Refunds that look like the one about to be made: told before it is sent, never a reason to refuse it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from registration.models import Order, Payment, Refund
from registration.models.refund import OVER

RECENT = timedelta(days=14)
MINUTES = timedelta(minutes=10)
"""The same sum on the same order within this time is more likely a slip than meant."""
SHOWN = 3
MOST_BY_CARD = 200
"""A brand and last four that more orders share say nothing about whose card it is, and would read the whole season."""


@dataclass(frozen=True)
class Similar:
    """One such refund; ``same_person`` is False when only the card is the same."""

    refund: Refund
    same_order: bool
    same_person: bool


def similar_refunds(order: Order, amount: Decimal) -> list[Similar]:
    """The latest refunds of the same sum to the same attendee, address or card, under way and external ones too.

    Args:
        order: Which is about to be refunded, with its payments.
        amount: What is about to go out, in the order's currency.
    """
    recent = Refund.objects.filter(
        order__in=_related(order), amount=amount, created_at__gte=timezone.now() - RECENT
    ).exclude(state__in=OVER)
    found = recent.select_related("order__user", "requested_by").order_by("-created_at", "-pk")
    return [
        Similar(refund, refund.order_id == order.pk, _is_same_person(order, refund.order)) for refund in found[:SHOWN]
    ]


def is_repeat(order: Order, similar: list[Similar]) -> bool:
    """Whether one of them is of the same order and only minutes old."""
    since = timezone.now() - MINUTES
    return any(each.same_order and each.refund.created_at >= since for each in similar)


def _related(order: Order) -> set[int]:
    """Orders at the conference of the same attendee, address or card.

    Each is asked for by its own index: when everybody gets the same amount back, an event's cancellation, the amount
    alone would find all of them.
    """
    theirs = Order.objects.filter(conference=order.conference_id).values_list("pk", flat=True)
    keys = {order.pk, *theirs.filter(user=order.user_id)}
    if email := order.billing_email:
        keys.update(theirs.filter(billing_email__in={email, email.lower()}))
    for brand, last4 in {(p.card_brand, p.card_last4) for p in order.payments.all() if p.card_last4}:
        cards = Payment.objects.filter(card_last4=last4, card_brand=brand, order__conference=order.conference_id)
        same = cards.values_list("order", flat=True)[: MOST_BY_CARD + 1]
        if len(same) <= MOST_BY_CARD:
            keys.update(same)
    return keys


def _is_same_person(order: Order, other: Order) -> bool:
    same_address = order.billing_email and order.billing_email.lower() == other.billing_email.lower()
    return order.user_id == other.user_id or bool(same_address)
