"""The rules of disputes: opening, closing, and what they do to charge, refunds and balance."""

from __future__ import annotations

from . import balance, events, refunds
from .context import Context
from .errors import refused
from .ids import new_id
from .objects import wire
from .store import Record

EVIDENCE_SECONDS = 9 * 86400
CLOSED = ("won", "lost", "warning_closed", "prevented")


def refundable_while(status: str) -> bool:
    """Say whether the charge can still be refunded: inquiries and won disputes, not chargebacks."""
    return status.startswith("warning_") or status == "won"


def record_of(charge: Record, *, status: str, reason: str, created: int, due_by: int | None) -> Record:
    """Build a dispute over the whole charge."""
    return {
        "id": new_id("dp"),
        "created": created,
        "amount": charge["amount_captured"],
        "currency": charge["currency"],
        "charge": charge["id"],
        "payment_intent": charge["payment_intent"],
        "brand": charge.get("brand") or "visa",
        "status": status,
        "reason": reason,
        "due_by": due_by,
        "is_charge_refundable": refundable_while(status),
        "balance_transactions": [],
    }


def open_dispute(ctx: Context, charge: Record, *, status: str = "needs_response", reason: str = "fraudulent") -> Record:
    """Let the cardholder dispute a charge; pending refunds of it fail."""
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise refused(f"Charge {charge['id']} cannot be disputed.")
    current = ctx.get("dispute", charge.get("dispute"))
    if current and current["status"] not in CLOSED:
        raise refused(f"Charge {charge['id']} is disputed already.")
    due_by = ctx.now() + EVIDENCE_SECONDS
    dispute = record_of(charge, status=status, reason=reason, created=ctx.now(), due_by=due_by)
    before = wire(ctx, "charge", charge)
    charge.update(disputed=True, dispute=dispute["id"])
    ctx.put("charge", charge)
    ctx.put("dispute", dispute)
    events.emit(ctx, "charge.dispute.created", "dispute", dispute)
    events.emit(ctx, "charge.updated", "charge", charge, before)
    if not refundable_while(status):
        _withdraw(ctx, dispute)
        for refund in ctx.find("refund", charge=charge["id"], status="pending"):
            refunds.fail(ctx, refund, "charge_for_pending_refund_disputed")
    return dispute


def close(ctx: Context, dispute: Record, status: str) -> Record:
    """Decide a dispute."""
    if dispute["status"] in CLOSED:
        raise refused(f"Dispute {dispute['id']} is closed already: {dispute['status']}.")
    before = wire(ctx, "dispute", dispute)
    if dispute["status"].startswith("warning_") and status == "lost":
        _withdraw(ctx, dispute)
    elif status == "won" and dispute["balance_transactions"]:
        _reinstate(ctx, dispute)
    dispute.update(status=status, is_charge_refundable=refundable_while(status))
    ctx.put("dispute", dispute)
    events.emit(ctx, "charge.dispute.closed", "dispute", dispute, before)
    return dispute


def update_status(ctx: Context, dispute: Record, status: str) -> Record:
    """Move an open dispute on, for instance an inquiry that becomes a chargeback."""
    if status in CLOSED:
        return close(ctx, dispute, status)
    before = wire(ctx, "dispute", dispute)
    escalates = dispute["status"].startswith("warning_") and not status.startswith("warning_")
    dispute.update(status=status, is_charge_refundable=refundable_while(status))
    ctx.put("dispute", dispute)
    events.emit(ctx, "charge.dispute.updated", "dispute", dispute, before)
    if escalates:
        _withdraw(ctx, dispute)
        for refund in ctx.find("refund", charge=dispute["charge"], status="pending"):
            refunds.fail(ctx, refund, "charge_for_pending_refund_disputed")
    return dispute


def _withdraw(ctx: Context, dispute: Record) -> None:
    _move(ctx, dispute, -dispute["amount"], "dispute", balance.DISPUTE_FEE, "charge.dispute.funds_withdrawn")


def _reinstate(ctx: Context, dispute: Record) -> None:
    _move(ctx, dispute, dispute["amount"], "dispute_reversal", 0, "charge.dispute.funds_reinstated")


def _move(ctx: Context, dispute: Record, amount: int, category: str, fee: int, event_type: str) -> None:
    before = wire(ctx, "dispute", dispute)
    dispute["balance_transactions"].append(
        balance.book(
            ctx,
            amount,
            dispute["currency"],
            source=dispute["id"],
            kind="adjustment",
            category=category,
            description=f"Chargeback {'withdrawal' if amount < 0 else 'reversal'} for {dispute['charge']}",
            fee=fee,
        )
    )
    ctx.put("dispute", dispute)
    events.emit(ctx, event_type, "dispute", dispute, before)
