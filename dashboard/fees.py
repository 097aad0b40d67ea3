"""Fees that were kept back: nobody got them, so they can still be refunded."""

from __future__ import annotations

from decimal import Decimal

from registration.json_rows import fetched
from registration.models import Order
from registration.models.refund import OVER
from registration.money import ZERO


def fee_kept(order: Order) -> Decimal:
    """What refunds kept back as a fee and can still go back, in the order's currency."""
    fees = sum((refund.fee_amount for refund in fetched(order, "refunds") if refund.state not in OVER), ZERO)
    return min(fees, Decimal(order.refundable_amount))
