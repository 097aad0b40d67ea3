"""Fees that were kept back: nobody got them, so they can still be refunded."""

from __future__ import annotations

from decimal import Decimal

from registration.models import Order
from registration.models.refund import OVER
from registration.money import ZERO


def fee_kept(order: Order) -> Decimal:
    """What refunds kept back as a fee and can still go back, in the order's currency.

    What goes back later and names no line item may be that fee: it is not offered a second time.
    """
    kept = ZERO
    for refund in sorted(order.refunds.all(), key=lambda each: each.pk):
        if refund.state in OVER:
            continue
        is_named = refund.fee_amount or refund.lines.all()
        kept = kept + refund.fee_amount if is_named else max(kept - refund.amount, ZERO)
    return min(kept, Decimal(order.refundable_amount))
