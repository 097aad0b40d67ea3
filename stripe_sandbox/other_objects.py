"""How disputes, customers, balances, events and webhook endpoints look on the wire."""

from __future__ import annotations

from typing import Any

from . import API_VERSION, balance
from .context import Context
from .store import Record

Wire = dict[str, Any]

_NO_ADDRESS = {"city": None, "country": None, "line1": None, "line2": None, "postal_code": None, "state": None}
_EVIDENCE = (
    "access_activity_log billing_address cancellation_policy cancellation_policy_disclosure cancellation_rebuttal"
    " customer_communication customer_email_address customer_name customer_purchase_ip customer_signature"
    " duplicate_charge_documentation duplicate_charge_explanation duplicate_charge_id product_description receipt"
    " refund_policy refund_policy_disclosure refund_refusal_explanation service_date service_documentation"
    " shipping_address shipping_carrier shipping_date shipping_documentation shipping_tracking_number"
    " uncategorized_file uncategorized_text"
).split()


def payment_method(ctx: Context, record: Record) -> Wire:
    """Serialise a card payment method."""
    brand = record.get("brand", "visa")
    return {
        "id": record["id"],
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": billing(record),
        "card": {
            "brand": brand,
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
            "country": "US",
            "display_brand": brand,
            "exp_month": 12,
            "exp_year": 2034,
            "funding": record.get("funding", "credit"),
            "generated_from": None,
            "last4": record.get("last4", "4242"),
            "networks": {"available": [brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        },
        "created": record["created"],
        "customer": record.get("customer"),
        "customer_account": None,
        "livemode": False,
        "metadata": record.get("metadata", {}),
        "type": "card",
    }


def billing(record: Record) -> Wire:
    """Return the billing details kept on a charge or payment method."""
    return {
        "address": dict(_NO_ADDRESS),
        "email": record.get("billing_email"),
        "name": record.get("billing_name"),
        "phone": None,
        "tax_id": None,
    }


def customer(ctx: Context, record: Record) -> Wire:
    """Serialise a customer."""
    settings = {"custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None}
    return {
        "id": record["id"],
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": record["created"],
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": record.get("description"),
        "email": record.get("email"),
        "invoice_settings": settings,
        "livemode": False,
        "metadata": record["metadata"],
        "name": record.get("name"),
        "phone": record.get("phone"),
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
    }


def dispute(ctx: Context, record: Record) -> Wire:
    """Serialise a dispute."""
    inquiry = record["status"].startswith("warning_")
    transactions = [ctx.get("balance_transaction", identifier) for identifier in record["balance_transactions"]]
    brand = record.get("brand", "visa")
    card = {"brand": brand, "case_type": "inquiry" if inquiry else "chargeback", "network": brand}
    return {
        "id": record["id"],
        "object": "dispute",
        "amount": record["amount"],
        "balance_transactions": [balance_transaction(ctx, found) for found in transactions if found],
        "charge": record["charge"],
        "created": record["created"],
        "currency": record["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {**dict.fromkeys(_EVIDENCE), "enhanced_evidence": {}},
        "evidence_details": {
            "due_by": record["due_by"],
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": bool(record["due_by"] and record["due_by"] < ctx.now()),
            "submission_count": 0,
            "submission_method": "manual",
        },
        "intended_submission_method": None,
        "is_charge_refundable": record["is_charge_refundable"],
        "livemode": False,
        "metadata": {},
        "payment_intent": record["payment_intent"],
        "payment_method_details": {"type": "card", "card": {**card, "network_reason_code": "10.4"}},
        "reason": record["reason"],
        "status": record["status"],
    }


def balance_transaction(ctx: Context, record: Record) -> Wire:
    """Serialise a balance transaction."""
    fee = record["fee"]
    details = {
        "amount": fee,
        "application": None,
        "currency": record["currency"],
        "description": "Stripe processing fees (simulated)",
        "type": "stripe_fee",
    }
    return {
        "id": record["id"],
        "object": "balance_transaction",
        "amount": record["amount"],
        "available_on": record["created"],
        "balance_type": "payments",
        "created": record["created"],
        "currency": record["currency"],
        "description": record["description"],
        "exchange_rate": None,
        "fee": fee,
        "fee_details": [details] if fee else [],
        "net": record["net"],
        "reporting_category": record["reporting_category"],
        "source": record["source"],
        "status": "available",
        "type": record["type"],
    }


def balance_sheet(ctx: Context) -> Wire:
    """Serialise the account's balance."""

    def line(currency: str, amount: int) -> Wire:
        return {"amount": amount, "currency": currency, "source_types": {"card": amount}}

    seen = balance.currencies(ctx)
    return {
        "object": "balance",
        "available": [line(currency, balance.available(ctx, currency)) for currency in seen],
        "livemode": False,
        "pending": [line(currency, 0) for currency in seen],
    }


def event(ctx: Context, record: Record) -> Wire:
    """Serialise an event; ``pending_webhooks`` counts deliveries that have not been answered with success."""
    open_deliveries = ctx.store.execute(
        "SELECT count(*) AS n FROM deliveries WHERE event = ? AND state IN ('pending', 'sending')", (record["id"],)
    )
    data = {"object": record["object"]}
    if record.get("previous") is not None:
        data["previous_attributes"] = record["previous"]
    return {
        "id": record["id"],
        "object": "event",
        "api_version": API_VERSION,
        "created": record["created"],
        "data": data,
        "livemode": False,
        "pending_webhooks": open_deliveries[0]["n"],
        "request": {"id": record.get("request_id"), "idempotency_key": record.get("idempotency_key")},
        "type": record["type"],
    }


def webhook_endpoint(ctx: Context, record: Record) -> Wire:
    """Serialise a webhook endpoint; the secret is added only when it has just been made."""
    return {
        "id": record["id"],
        "object": "webhook_endpoint",
        "api_version": record.get("api_version"),
        "application": None,
        "created": record["created"],
        "description": record.get("description"),
        "enabled_events": record["enabled_events"],
        "livemode": False,
        "metadata": record["metadata"],
        "status": "enabled",
        "url": record["url"],
    }
