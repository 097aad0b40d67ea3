"""What a choice of orders comes to: how many, what could go back, and why the rest would be left out. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Count, Q, Sum

from registration.models import Conference, Order, Payment
from registration.models.order import OrderQuerySet
from registration.money import ZERO, quantize_money
from registration.services.planner import blocked_reason, refund_ceiling

PENDING = Q(status=Order.Status.PENDING)
READY = Q(refundable_amount__gt=0) & ~PENDING
CANCELLED = Q(status=Order.Status.CANCELLED) & ~READY


@dataclass(frozen=True)
class Selection:
    """A choice of orders of one conference, in its currency; the counts behind ``ready`` say why the rest is not."""

    count: int
    ready: int
    refundable: Decimal
    unpaid: int
    cancelled: int
    blocked: int

    @property
    def spent(self) -> int:
        """Those that were paid and have nothing left to go back."""
        return self.count - self.ready - self.unpaid - self.cancelled - self.blocked


def summed(orders: OrderQuerySet, conference: Conference) -> Selection:
    """Add up a choice of orders in the database; only those that a payment may block are looked at one by one.

    Args:
        orders: Of this conference alone.
        conference: Whose Stripe key says which mode payments must be of.
    """
    sums = orders.order_by().aggregate(
        count=Count("pk"),
        ready=Count("pk", filter=READY),
        refundable=Sum("refundable_amount", filter=READY),
        unpaid=Count("pk", filter=PENDING),
        cancelled=Count("pk", filter=CANCELLED),
    )
    refundable, blocked = quantize_money(sums["refundable"]), 0
    for order in _suspects(orders, conference):
        is_blocked = bool(blocked_reason(order))
        blocked += is_blocked
        refundable -= order.refundable_amount - (ZERO if is_blocked else refund_ceiling(order))
    counts = {name: sums[name] for name in ("count", "unpaid", "cancelled")}
    return Selection(ready=sums["ready"] - blocked, refundable=refundable, blocked=blocked, **counts)


def _suspects(orders: OrderQuerySet, conference: Conference) -> list[Order]:
    """Orders with something left of which a dispute or another mode of Stripe may keep some back."""
    kept_back = Q(dispute__isnull=False) | Q(livemode=not conference.uses_live_key)
    payments = Payment.objects.filter(kept_back, refundable_amount__gt=0)
    chosen = orders.filter(READY, pk__in=payments.values("order")).select_related(None).order_by()
    found = list(chosen.prefetch_related(None).prefetch_related("payments"))
    for order in found:
        # Read once: each conference read decrypts its keys.
        order.conference = conference
    return found
