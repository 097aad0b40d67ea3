"""Putting many payments into an account at once, without events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from . import balance, disputes
from .cards import card_of
from .context import Context
from .errors import invalid
from .faults import Faults
from .ids import new_id
from .refunds import OPEN_STATES
from .store import Record

Rows = list[tuple[str, Record]]


def seed(
    ctx: Context,
    faults: Faults,
    payments: list[dict[str, Any]],
    *,
    replace: bool = False,
    available: dict[str, int] | None = None,
) -> dict[str, int]:
    """Store payments with their refunds and disputes; those that exist already are left alone.

    Args:
        ctx: The account.
        faults: Where faults that a payment asks for are ordered.
        payments: As described in the README.
        replace: Overwrite payments that exist.
        available: What the account has afterwards, by currency, so that seeded refunds can wait for money.
    """
    known = set() if replace else ctx.store.ids(ctx.account, "payment_intent")
    fresh = [payment for payment in payments if payment.get("id") not in known]
    rows: Rows = []
    with ctx.store.transaction():
        for payment in fresh:
            rows.extend(_rows(ctx, payment))
        ctx.store.put_many(ctx.account, rows)
        _book(ctx, rows)
        for currency, amount in (available or {}).items():
            balance.set_available(ctx, currency.lower(), int(amount))
        faults.add_many([rule for payment in fresh for rule in _faults(ctx, payment)])
    return {"created": len(fresh), "skipped": len(payments) - len(fresh)}


def _rows(ctx: Context, payment: dict[str, Any]) -> Iterator[tuple[str, Record]]:
    if not isinstance(payment.get("amount"), int) or not payment.get("currency"):
        raise invalid("Each seeded payment needs an amount in minor units and a currency.", "payments")
    charge = _charge(ctx, payment)
    intent = _intent(payment, charge)
    yield "payment_intent", intent
    yield (
        "payment_method",
        {
            "id": charge["payment_method"],
            "created": charge["created"],
            "metadata": {},
            **{
                name: charge[name]
                for name in ("customer", "card", "brand", "last4", "funding", "billing_name", "billing_email")
            },
        },
    )
    if intent["latest_charge"] is None:
        return
    if charge["captured"]:
        yield "balance_transaction", _charge_transaction(charge)
    for given in payment.get("refunds") or []:
        yield from _refund(ctx, charge, given)
    if payment.get("dispute"):
        yield "dispute", _dispute(ctx, charge, payment["dispute"])
    yield "charge", charge


def _charge(ctx: Context, payment: dict[str, Any]) -> Record:
    token = payment.get("payment_method", "pm_card_visa")
    card = card_of(token)
    status = payment.get("status", "succeeded")
    captured = status == "succeeded"
    return {
        "id": payment.get("charge") or new_id("ch"),
        "created": int(payment.get("created") or ctx.now()),
        "amount": payment["amount"],
        "amount_captured": payment["amount"] if captured else 0,
        "amount_refunded": 0,
        "captured": captured,
        "currency": payment["currency"].lower(),
        "status": "succeeded",
        "payment_intent": payment.get("id") or new_id("pi"),
        "payment_method": new_id("pm"),
        "card": token,
        "brand": payment.get("brand") or card.brand,
        "last4": payment.get("last4") or card.last4,
        "funding": card.funding,
        "metadata": payment.get("metadata") or {},
        "refundable": payment.get("refundable", True),
        **{
            name: payment.get(name)
            for name in ("customer", "description", "billing_name", "billing_email", "receipt_email")
        },
    }


def _intent(payment: dict[str, Any], charge: Record) -> Record:
    status = payment.get("status", "succeeded")
    charged = status in ("succeeded", "requires_capture")
    return {
        "id": charge["payment_intent"],
        "created": charge["created"],
        "amount": charge["amount"],
        "currency": charge["currency"],
        "status": status,
        "amount_received": charge["amount_captured"],
        "amount_capturable": charge["amount"] if status == "requires_capture" else 0,
        "capture_method": "manual" if status == "requires_capture" else "automatic",
        "latest_charge": charge["id"] if charged else None,
        "payment_method": None if status == "requires_payment_method" else charge["payment_method"],
        "canceled_at": charge["created"] if status == "canceled" else None,
        "metadata": dict(charge["metadata"]),
        "customer": charge["customer"],
        "description": charge["description"],
        "receipt_email": charge["receipt_email"],
    }


def _charge_transaction(charge: Record) -> Record:
    record = balance.transaction_record(
        charge["created"],
        charge["amount_captured"],
        charge["currency"],
        source=charge["id"],
        kind="charge",
        category="charge",
        description=charge["description"],
        fee=balance.charge_fee(charge["amount_captured"]),
    )
    charge["balance_transaction"] = record["id"]
    return record


def _refund(ctx: Context, charge: Record, given: dict[str, Any]) -> Iterator[tuple[str, Record]]:
    status = given.get("status", "succeeded")
    refund: Record = {
        "id": given.get("id") or new_id("re"),
        "created": int(given.get("created") or charge["created"]),
        "amount": given["amount"],
        "currency": charge["currency"],
        **{name: charge[name] for name in ("payment_intent", "payment_method", "customer")},
        "charge": charge["id"],
        "reason": given.get("reason"),
        "metadata": given.get("metadata") or {},
        "status": status,
        "balance_transaction": None,
        "failure_reason": given.get("failure_reason") or ("unknown" if status == "failed" else None),
        "pending_reason": given.get("pending_reason") or ("processing" if status == "pending" else None),
        "instructions_email": given.get("instructions_email"),
        "expires_at": given.get("expires_at") or int(ctx.now() + ctx.delay("requires_action")),
    }
    if status in OPEN_STATES:
        charge["amount_refunded"] += refund["amount"]
        if charge["amount_refunded"] > charge["amount"]:
            raise invalid(f"The seeded refunds exceed the charge {charge['id']}.", "payments")
    taken = status != "requires_action" and refund["pending_reason"] != "insufficient_funds"
    if taken:
        name = "balance_transaction"
        yield name, _link(refund, name, -refund["amount"], "refund")
    if taken and status in ("failed", "canceled"):
        yield "balance_transaction", _link(refund, "failure_balance_transaction", refund["amount"], "refund_failure")
    if given.get("outcome"):
        action = "fail" if given["outcome"].get("status") == "failed" else "succeed"
        ctx.schedule(
            action,
            refund["id"],
            given["outcome"].get("after_seconds", ctx.delay("pending")),
            given["outcome"].get("failure_reason"),
        )
    yield "refund", refund


def _link(refund: Record, field: str, amount: int, kind: str) -> Record:
    record = balance.transaction_record(
        refund["created"], amount, refund["currency"], source=refund["id"], kind=kind, category=kind
    )
    refund[field] = record["id"]
    return record


def _dispute(ctx: Context, charge: Record, given: dict[str, Any]) -> Record:
    created = int(given.get("created") or charge["created"])
    record = disputes.record_of(
        charge,
        status=given.get("status", "needs_response"),
        reason=given.get("reason", "fraudulent"),
        created=created,
        due_by=given.get("due_by") or ctx.now() + disputes.EVIDENCE_SECONDS,
    )
    record["id"] = given.get("id") or record["id"]
    charge.update(disputed=True, dispute=record["id"])
    return record


def _faults(ctx: Context, payment: dict[str, Any]) -> list[dict[str, Any]]:
    rule = payment.get("fault")
    if not rule:
        return []
    rule = {"fault": rule} if isinstance(rule, str) else rule
    return [{"method": "POST", "path": "/v1/refunds", "account": ctx.account, "match": payment["id"], **rule}]


def _book(ctx: Context, rows: Rows) -> None:
    moved: dict[str, int] = {}
    for kind, record in rows:
        if kind == "balance_transaction":
            moved[record["currency"]] = moved.get(record["currency"], 0) + record["net"]
    for currency, amount in moved.items():
        balance.set_available(ctx, currency, balance.available(ctx, currency) + amount)
