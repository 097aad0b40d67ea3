"""Addresses in Stripe's own dashboard. A stand-in Stripe has none."""

from __future__ import annotations

from django.conf import settings

from registration.models import Conference, Payment

STRIPE_DASHBOARD = "https://dashboard.stripe.com"


def payment_url(payment: Payment, conference: Conference) -> str:
    """Where Stripe shows a payment, in the mode it was made in; empty where there is nothing to show."""
    known = payment.stripe_payment_intent_id or payment.stripe_charge_id
    if settings.STRIPE_API_BASE or not known:
        return ""
    live = conference.uses_live_key if payment.livemode is None else payment.livemode
    return f"{STRIPE_DASHBOARD}{'' if live else '/test'}/payments/{known}"
