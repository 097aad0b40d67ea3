"""The rules of payment intents and charges."""

from __future__ import annotations

from typing import Any

from . import balance, disputes, events
from .cards import CARDS, Card, card_of
from .context import Context
from .errors import ApiError, invalid, missing, refused
from .forms import merge_metadata, require
from .ids import new_id
from .objects import wire
from .store import Record

_CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
_CANCELABLE = (*_CONFIRMABLE, "requires_capture", "processing")


def create(ctx: Context) -> Record:
    """Create a payment intent, and confirm it when asked to."""
    params = ctx.params
    require(params, "amount", "currency")
    if params["amount"] < 1:
        raise invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer")
    if params.get("customer"):
        ctx.need("customer", params["customer"], "customer", status=400)
    intent: Record = {
        "id": new_id("pi"),
        "secret": new_id("secret"),
        "created": ctx.now(),
        "amount": params["amount"],
        "currency": _currency(params["currency"]),
        "status": "requires_payment_method",
        "metadata": merge_metadata({}, params.get("metadata")),
        "capture_method": params.get("capture_method") or "automatic",
        "confirmation_method": params.get("confirmation_method") or "automatic",
        "automatic": (params.get("automatic_payment_methods") or {}).get("enabled") == "true",
        **{
            name: params.get(name) or None
            for name in (
                "customer",
                "description",
                "receipt_email",
                "statement_descriptor",
                "setup_future_usage",
                "transfer_group",
                "return_url",
            )
        },
    }
    if params.get("payment_method"):
        _attach_method(ctx, intent, params["payment_method"])
    ctx.put("payment_intent", intent)
    events.emit(ctx, "payment_intent.created", "payment_intent", intent)
    return _charge(ctx, intent) if params.get("confirm") else intent


def _currency(text: str) -> str:
    currency = text.lower()
    if not (len(currency) == 3 and currency.isascii() and currency.isalpha()):
        raise invalid(f"Invalid currency: {text}", "currency")
    return currency


def _attach_method(ctx: Context, intent: Record, token: str) -> None:
    method = ctx.get("payment_method", token)
    if method is None:
        if token not in CARDS:
            raise missing("PaymentMethod", token, "payment_method", status=400)
        card = CARDS[token]
        method = {
            "id": new_id("pm"),
            "created": ctx.now(),
            "customer": intent.get("customer"),
            "card": token,
            "brand": card.brand,
            "last4": card.last4,
            "funding": card.funding,
            "metadata": {},
        }
        ctx.put("payment_method", method)
    intent.update(payment_method=method["id"], status="requires_confirmation")


def confirm(ctx: Context, intent: Record) -> Record:
    """Try to charge the payment method."""
    _refuse_state(intent, _CONFIRMABLE, "confirm")
    if ctx.params.get("payment_method"):
        _attach_method(ctx, intent, ctx.params["payment_method"])
    return _charge(ctx, intent, authenticated=intent["status"] == "requires_action")


def _charge(ctx: Context, intent: Record, *, authenticated: bool = False) -> Record:
    method = ctx.get("payment_method", intent.get("payment_method"))
    if method is None:
        message = "You cannot confirm this PaymentIntent because it's missing a payment method."
        raise refused(message, code="payment_intent_unexpected_state")
    card = card_of(method.get("card"))
    before = wire(ctx, "payment_intent", intent)
    if card.authenticate and not authenticated:
        intent["status"] = "requires_action"
        ctx.put("payment_intent", intent)
        events.emit(ctx, "payment_intent.requires_action", "payment_intent", intent, before)
        return intent
    if card.decline:
        _decline(ctx, intent, method, card.decline)
    return _authorise(ctx, intent, method, card)


def _new_charge(ctx: Context, intent: Record, method: Record) -> Record:
    return {
        "id": new_id("ch"),
        "created": ctx.now(),
        "amount": intent["amount"],
        "amount_captured": 0,
        "amount_refunded": 0,
        "captured": False,
        "currency": intent["currency"],
        "status": "succeeded",
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "metadata": dict(intent["metadata"]),
        **{name: method.get(name) for name in ("card", "brand", "last4", "funding", "billing_name", "billing_email")},
        **{
            name: intent.get(name)
            for name in ("customer", "description", "receipt_email", "statement_descriptor", "transfer_group")
        },
    }


def _decline(ctx: Context, intent: Record, method: Record, reason: tuple[str, str | None, str]) -> None:
    """Record the failed charge, which stays although the request is refused."""
    code, decline_code, message = reason
    charge = _new_charge(ctx, intent, method)
    charge.update(status="failed", failure_code=code, decline_code=decline_code, failure_message=message)
    ctx.put("charge", charge)
    error = {"charge": charge["id"], "code": code, "message": message, "type": "card_error"}
    if decline_code:
        error["decline_code"] = decline_code
    intent["last_payment_error"] = {**error, "payment_method": method["id"]}
    intent.update(status="requires_payment_method", payment_method=None, latest_charge=charge["id"])
    ctx.put("payment_intent", intent)
    events.emit(ctx, "charge.failed", "charge", charge)
    events.emit(ctx, "payment_intent.payment_failed", "payment_intent", intent)
    extra: dict[str, Any] = {"charge": charge["id"], "payment_intent": wire(ctx, "payment_intent", intent)}
    if decline_code:
        extra["decline_code"] = decline_code
    raise ApiError(402, message, type="card_error", code=code, extra=extra)


def _authorise(ctx: Context, intent: Record, method: Record, card: Card) -> Record:
    charge = _new_charge(ctx, intent, method)
    intent.update(latest_charge=charge["id"], last_payment_error=None)
    if intent["capture_method"] == "manual":
        intent.update(status="requires_capture", amount_capturable=intent["amount"])
        ctx.put("charge", charge)
        ctx.put("payment_intent", intent)
        events.emit(ctx, "charge.succeeded", "charge", charge)
        events.emit(ctx, "payment_intent.amount_capturable_updated", "payment_intent", intent)
        return intent
    _take_payment(ctx, intent, charge, intent["amount"])
    events.emit(ctx, "charge.succeeded", "charge", charge)
    events.emit(ctx, "payment_intent.succeeded", "payment_intent", intent)
    if card.dispute:
        disputes.open_dispute(ctx, charge, status=card.dispute[0], reason=card.dispute[1])
    return intent


def _take_payment(ctx: Context, intent: Record, charge: Record, amount: int) -> None:
    charge.update(captured=True, amount_captured=amount)
    charge["balance_transaction"] = balance.book(
        ctx,
        amount,
        charge["currency"],
        source=charge["id"],
        kind="charge",
        category="charge",
        description=charge.get("description"),
        fee=balance.charge_fee(amount),
    )
    intent.update(status="succeeded", amount_received=amount, amount_capturable=0)
    ctx.put("charge", charge)
    ctx.put("payment_intent", intent)


def capture(ctx: Context, intent: Record) -> Record:
    """Take the authorised money, all of it or less."""
    _refuse_state(intent, ("requires_capture",), "capture")
    capturable: int = intent["amount_capturable"]
    amount: int = ctx.params.get("amount_to_capture", capturable)
    if not 1 <= amount <= capturable:
        message = "The provided amount_to_capture is outside what can be captured on this PaymentIntent."
        raise refused(message, code="amount_too_large" if amount > 0 else "amount_too_small", param="amount_to_capture")
    charge = ctx.need("charge", intent["latest_charge"])
    if "metadata" in ctx.params:
        intent["metadata"] = merge_metadata(intent["metadata"], ctx.params["metadata"])
    before, charge_before = wire(ctx, "payment_intent", intent), wire(ctx, "charge", charge)
    _take_payment(ctx, intent, charge, amount)
    events.emit(ctx, "charge.captured", "charge", charge, charge_before)
    events.emit(ctx, "payment_intent.succeeded", "payment_intent", intent, before)
    return intent


def cancel(ctx: Context, intent: Record) -> Record:
    """Give the payment up; an authorisation is released."""
    _refuse_state(intent, _CANCELABLE, "cancel")
    before = wire(ctx, "payment_intent", intent)
    charge = ctx.get("charge", intent.get("latest_charge"))
    if charge and intent["status"] == "requires_capture":
        charge_before = wire(ctx, "charge", charge)
        charge["amount_refunded"] = charge["amount"]
        ctx.put("charge", charge)
        events.emit(ctx, "charge.refunded", "charge", charge, charge_before)
    reason = ctx.params.get("cancellation_reason") or None
    intent.update(status="canceled", canceled_at=ctx.now(), amount_capturable=0, cancellation_reason=reason)
    ctx.put("payment_intent", intent)
    events.emit(ctx, "payment_intent.canceled", "payment_intent", intent, before)
    return intent


def update(ctx: Context, intent: Record) -> Record:
    """Change an open payment intent, or only the notes on a finished one."""
    params = ctx.params
    if {"amount", "currency", "payment_method"} & params.keys():
        _refuse_state(intent, _CONFIRMABLE, "update")
    if "amount" in params and params["amount"] < 1:
        raise invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer")
    for name in ("amount", "description", "receipt_email"):
        if name in params:
            intent[name] = params[name]
    if params.get("payment_method"):
        _attach_method(ctx, intent, params["payment_method"])
    if "metadata" in params:
        intent["metadata"] = merge_metadata(intent["metadata"], params["metadata"])
    ctx.put("payment_intent", intent)
    return intent


def update_charge(ctx: Context, charge: Record) -> Record:
    """Change the notes on a charge."""
    params = ctx.params
    before = wire(ctx, "charge", charge)
    for name in ("description", "receipt_email", "transfer_group", "customer"):
        if name in params:
            charge[name] = params[name] or None
    if "metadata" in params:
        charge["metadata"] = merge_metadata(charge["metadata"], params["metadata"])
    if "fraud_details" in params:
        charge["fraud_report"] = params["fraud_details"].get("user_report")
    ctx.put("charge", charge)
    events.emit(ctx, "charge.updated", "charge", charge, before)
    return charge


def _refuse_state(intent: Record, allowed: tuple[str, ...], verb: str) -> None:
    if intent["status"] not in allowed:
        message = f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}."
        raise refused(message, code="payment_intent_unexpected_state")
