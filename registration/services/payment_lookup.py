"""Which of our payments Stripe speaks of."""

from __future__ import annotations

from registration.models import Conference, Payment


def find_payment(conference: Conference, *, intent_id: str = "", charge_id: str = "") -> Payment | None:
    """The conference's payment with this payment intent, or else with this charge."""
    payments = Payment.objects.filter(order__conference=conference).select_related("order__conference").order_by("pk")
    by_intent = payments.filter(stripe_payment_intent_id=intent_id).first() if intent_id else None
    if by_intent is not None or not charge_id:
        return by_intent
    return payments.filter(stripe_charge_id=charge_id).first()
