"""What the refund form sends, and what a refusal must leave as it was."""

import uuid
from typing import Any

from django.urls import reverse

from dashboard.forms.refund import RefundForm
from registration.models import Credit, Order


def refund_url(order: Order) -> str:
    return reverse("refund_create", args=[order.reference])


def filled(order: Order, **fields: Any) -> dict[str, Any]:
    """What the form sends for a custom amount of 12.50 to the card."""
    reason = order.conference.refund_reasons.first()
    return {
        "mode": "custom",
        "amount": "12.50",
        "fee_kind": "",
        "destination": "CARD",
        "reason": str(reason.pk) if reason else "requested_by_customer",
        "note": "Wrote in on Monday",
        "nonce": str(uuid.uuid4()),
        "balance_seen": str(order.refundable_amount),
        "full_amount": str(order.refundable_amount),
        "lines_seen": RefundForm(order=Order.objects.get(pk=order.pk)).lines_now,
    } | fields


def assert_nothing_changed(order: Order) -> None:
    paid = order.paid_amount
    order.refresh_from_db()
    assert not order.refunds.exists()
    assert not Credit.objects.filter(source_order=order).exists()
    assert (order.status, order.refundable_amount, order.paid_amount) == (Order.Status.PAID, paid, paid)
