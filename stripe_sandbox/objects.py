"""How payment intents, charges and refunds look on the wire."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import other_objects
from .context import Context
from .store import Record

Wire = dict[str, Any]

TRACE_AFTER_SECONDS = 7 * 86400


def refund(ctx: Context, record: Record) -> Wire:
    """Serialise a refund; fields that Stripe sends only sometimes are absent otherwise."""
    wire: Wire = {
        "id": record["id"],
        "object": "refund",
        "amount": record["amount"],
        "balance_transaction": record["balance_transaction"],
        "charge": record["charge"],
        "created": record["created"],
        "currency": record["currency"],
        "customer": record.get("customer"),
        "customer_account": None,
        "destination_details": _destination(ctx, record),
        "metadata": record["metadata"],
        "payment_intent": record["payment_intent"],
        "payment_method": record.get("payment_method"),
        "reason": record["reason"],
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": record["status"],
        "transfer_reversal": None,
    }
    for name in ("failure_balance_transaction", "failure_reason", "pending_reason", "instructions_email"):
        if record.get(name):
            wire[name] = record[name]
    if record["status"] == "requires_action" and record.get("expires_at"):
        sent = {"email_sent_at": record["created"], "email_sent_to": record.get("instructions_email") or ""}
        details = {"email_sent": sent, "expires_at": record["expires_at"]}
        wire["next_action"] = {"type": "display_details", "display_details": details}
    return wire


def _destination(ctx: Context, record: Record) -> Wire:
    if record["status"] in ("pending", "requires_action"):
        return {"type": "card", "card": {"type": "pending"}}
    if record.get("reversal"):
        return {"type": "card", "card": {"type": "reversal"}}
    card: Wire = {"type": "refund", "reference_type": "acquirer_reference_number"}
    if record["status"] != "succeeded":
        return {"type": "card", "card": {**card, "reference_status": "unavailable"}}
    if ctx.now() < record["created"] + TRACE_AFTER_SECONDS:
        return {"type": "card", "card": {**card, "reference_status": "pending"}}
    reference = str(int.from_bytes(record["id"].encode(), "big"))[-23:]
    return {"type": "card", "card": {**card, "reference_status": "available", "reference": reference}}


def charge(ctx: Context, record: Record) -> Wire:
    """Serialise a charge."""
    return {
        "id": record["id"],
        "object": "charge",
        "amount": record["amount"],
        "amount_captured": record["amount_captured"],
        "amount_refunded": record["amount_refunded"],
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": record.get("balance_transaction"),
        "billing_details": other_objects.billing(record),
        "calculated_statement_descriptor": record.get("statement_descriptor") or "STRIPE SANDBOX",
        "captured": record["captured"],
        "created": record["created"],
        "currency": record["currency"],
        "customer": record.get("customer"),
        "description": record.get("description"),
        "disputed": record.get("disputed", False),
        "failure_balance_transaction": None,
        "failure_code": record.get("failure_code"),
        "failure_message": record.get("failure_message"),
        "fraud_details": {"user_report": record["fraud_report"]} if record.get("fraud_report") else {},
        "livemode": False,
        "metadata": record["metadata"],
        "on_behalf_of": None,
        "outcome": _outcome(record),
        "paid": record["status"] == "succeeded",
        "payment_intent": record["payment_intent"],
        "payment_method": record.get("payment_method"),
        "payment_method_details": {"type": "card", "card": _charged_card(record)},
        "receipt_email": record.get("receipt_email"),
        "receipt_number": None,
        "receipt_url": f"{ctx.base_url}/receipts/{record['id']}" if record["status"] == "succeeded" else None,
        "refunded": record["amount_refunded"] >= record["amount_captured" if record["captured"] else "amount"],
        "review": None,
        "shipping": None,
        "source": None,
        "source_transfer": None,
        "statement_descriptor": record.get("statement_descriptor"),
        "statement_descriptor_suffix": None,
        "status": record["status"],
        "transfer_data": None,
        "transfer_group": record.get("transfer_group"),
    }


def _outcome(record: Record) -> Wire:
    failed = record["status"] == "failed"
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if failed else "approved_by_network",
        "reason": record.get("decline_code") or record.get("failure_code"),
        "risk_level": "normal",
        "risk_score": 12,
        "seller_message": "The bank declined the payment." if failed else "Payment complete.",
        "type": "issuer_declined" if failed else "authorized",
    }


def _charged_card(record: Record) -> Wire:
    brand = record.get("brand", "visa")
    return {
        "amount_authorized": record["amount"] if record["status"] == "succeeded" else None,
        "authorization_code": None,
        "brand": brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "electronic_commerce_indicator": None,
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": None,
        "funding": record.get("funding", "credit"),
        "installments": None,
        "last4": record.get("last4", "4242"),
        "mandate": None,
        "network": brand,
        "network_transaction_id": None,
        "regulated_status": "unregulated",
        "three_d_secure": None,
        "transaction_link_id": None,
        "wallet": None,
    }


def payment_intent(ctx: Context, record: Record) -> Wire:
    """Serialise a payment intent."""
    automatic = {"allow_redirects": "always", "enabled": True} if record.get("automatic") else None
    return {
        "id": record["id"],
        "object": "payment_intent",
        "allowed_payment_method_types": None,
        "amount": record["amount"],
        "amount_capturable": record.get("amount_capturable", 0),
        "amount_details": {"tip": {}},
        "amount_received": record.get("amount_received", 0),
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": automatic,
        "canceled_at": record.get("canceled_at"),
        "cancellation_reason": record.get("cancellation_reason"),
        "capture_method": record.get("capture_method", "automatic"),
        "client_secret": f"{record['id']}_secret_{record.get('secret', 'simulated')}",
        "confirmation_method": record.get("confirmation_method", "automatic"),
        "created": record["created"],
        "currency": record["currency"],
        "customer": record.get("customer"),
        "customer_account": None,
        "description": record.get("description"),
        "excluded_payment_method_types": None,
        "last_payment_error": _last_error(ctx, record),
        "latest_charge": record.get("latest_charge"),
        "livemode": False,
        "managed_payments": None,
        "metadata": record["metadata"],
        "next_action": _next_action(ctx, record),
        "on_behalf_of": None,
        "payment_method": record.get("payment_method"),
        "payment_method_configuration_details": None,
        "payment_method_options": {
            "card": {
                "installments": None,
                "mandate_options": None,
                "network": None,
                "request_three_d_secure": "automatic",
            }
        },
        "payment_method_types": ["card"],
        "payment_record": None,
        "processing": None,
        "receipt_email": record.get("receipt_email"),
        "review": None,
        "setup_future_usage": record.get("setup_future_usage"),
        "shipping": None,
        "source": None,
        "statement_descriptor": record.get("statement_descriptor"),
        "statement_descriptor_suffix": None,
        "status": record["status"],
        "transfer_data": None,
        "transfer_group": record.get("transfer_group"),
    }


def _last_error(ctx: Context, record: Record) -> Wire | None:
    error = record.get("last_payment_error")
    if not error:
        return None
    method = ctx.get("payment_method", error.get("payment_method"))
    wire = {name: value for name, value in error.items() if name != "payment_method" and value is not None}
    return {**wire, "payment_method": other_objects.payment_method(ctx, method)} if method else wire


def _next_action(ctx: Context, record: Record) -> Wire | None:
    if record["status"] != "requires_action":
        return None
    redirect = {"return_url": record.get("return_url"), "url": f"{ctx.base_url}/authenticate/{record['id']}"}
    return {"type": "redirect_to_url", "redirect_to_url": redirect}


SERIALISERS: dict[str, Callable[[Context, Record], Wire]] = {
    "refund": refund,
    "charge": charge,
    "payment_intent": payment_intent,
    "payment_method": other_objects.payment_method,
    "customer": other_objects.customer,
    "dispute": other_objects.dispute,
    "balance_transaction": other_objects.balance_transaction,
    "event": other_objects.event,
    "webhook_endpoint": other_objects.webhook_endpoint,
}


def wire(ctx: Context, kind: str, record: Record) -> Wire:
    """Serialise any record."""
    return SERIALISERS[kind](ctx, record)
