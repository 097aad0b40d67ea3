"""Refunds that wait because the Stripe balance is too low, and the sum that has to be topped up."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal

from django.utils import timezone

from registration.models import Conference, OpenItem
from registration.money import ZERO
from registration.stripe_gateway import StripeProblem, gateway_for


def keep_shortage(conference: Conference) -> None:
    """Write what the Stripe balance holds and lacks onto every item about it; nothing is asked when none is open.

    A Stripe that does not answer leaves the items as they are; the worker asks again. Never called under a lock.
    """
    items = list(OpenItem.objects.unresolved().filter(conference=conference, kind=OpenItem.Kind.BALANCE_LOW))
    if not items:
        return
    try:
        available = gateway_for(conference).fetch_balance()
    except StripeProblem:
        return
    waiting: dict[str, Decimal] = defaultdict(lambda: ZERO)
    for item in items:
        waiting[item.facts["currency"]] += Decimal(item.facts["amount"])
    for item in items:
        currency = item.facts["currency"]
        held = available.get(currency, ZERO)
        figures = {"available": held, "waiting": waiting[currency], "short": max(waiting[currency] - held, ZERO)}
        facts = item.facts | {name: str(amount) for name, amount in figures.items()}
        OpenItem.objects.unresolved().filter(pk=item.pk).update(facts=facts | {"asked_at": timezone.now().isoformat()})


def shortage_of(facts: dict[str, str]) -> Decimal | None:
    """What has to be topped up, in the facts' currency; ``None`` while Stripe has not said what it holds."""
    return Decimal(facts["short"]) if "short" in facts else None
