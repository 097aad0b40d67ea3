"""The payments of one order as its page tells them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from dashboard.stripe_links import payment_url
from registration.models import Order, Payment
from registration.money import ZERO, format_amount
from registration.said import dispute_in_words
from registration.services.planner import usable


@dataclass(frozen=True)
class PaymentEntry:
    """A payment with what of it can still go back, without symbols."""

    payment: Payment
    reference: str
    url: str
    amount: str
    left: str
    has_left: bool
    dispute: str


def payment_entries(order: Order) -> list[PaymentEntry]:
    """All payments, newest first. Reads what was fetched with the order."""
    return [_entry(payment, order) for payment in reversed(order.payments.all())]


def _entry(payment: Payment, order: Order) -> PaymentEntry:
    waits = order.status == Order.Status.PENDING
    left = payment.refundable_amount if usable(payment) and not waits else ZERO
    known = payment.stripe_payment_intent_id or payment.stripe_charge_id or payment.reference
    return PaymentEntry(
        payment=payment,
        reference=payment.credit.number if payment.credit else known,
        url=payment_url(payment, order.conference),
        amount=format_amount(payment.amount, order.currency),
        left=format_amount(left, order.currency),
        has_left=left > 0,
        dispute=_dispute(payment, order),
    )


def _dispute(payment: Payment, order: Order) -> str:
    if not payment.is_disputed:
        return ""
    dispute = payment.dispute or {}
    words = {
        "instrument": payment.instrument,
        "reason": dispute_in_words(str(dispute.get("reason") or "")) or _("no reason given"),
        "status": dispute_in_words(str(dispute.get("status") or "")),
    }
    text = _("%(instrument)s: %(reason)s, %(status)s.") % words
    due = dispute.get("due_by")
    if not due:
        return text
    day = date_format(order.conference.localtime(datetime.fromtimestamp(due, UTC)), "DATE_FORMAT")
    return _("%(text)s Evidence due %(day)s.") % {"text": text, "day": day}
