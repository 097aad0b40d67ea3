"""What a decision sets going as soon as nothing holds it back: neither a second person nor the time to undo it."""

from __future__ import annotations

from registration.models import Order, Refund, RefundPart
from registration.services.retries import close_failures
from registration.services.settle import settle_order, settle_refund


def begin(order: Order, refund: Refund) -> None:
    """Close what a retry settles, and carry out at once what needs no Stripe. The caller holds the order's lock."""
    close_failures(order, refund)
    if not refund.parts.filter(channel=RefundPart.Channel.STRIPE).exists():
        settle_refund(order, refund, actor=refund.requested_by)
        settle_order(order)
