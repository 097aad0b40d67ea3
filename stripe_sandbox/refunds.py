"""The rules of refunds: the ceiling, the states, and what each step does to charge and balance."""

from __future__ import annotations

from . import balance, events
from .cards import card_of
from .context import Context
from .errors import ApiError, invalid, refused
from .forms import merge_metadata
from .ids import new_id
from .objects import Wire, wire
from .store import Record

OPEN_STATES = ("pending", "requires_action", "succeeded")
_SYMBOLS = {"usd": "$", "eur": "€", "gbp": "£"}


def create(ctx: Context) -> Record:
    """Refund a charge in whole or in part.

    The caller holds the store's lock, so reading what is left and reserving it cannot be interleaved.

    Raises:
        ApiError: A rule of Stripe refuses it.
    """
    charge = _charge_to_refund(ctx)
    _refuse_unrefundable(ctx, charge)
    amount = _amount(ctx, charge)
    before = wire(ctx, "charge", charge)
    refund = _record(ctx, charge, amount)
    if not charge["captured"]:
        _release_authorisation(ctx, charge, refund)
    else:
        _start(ctx, charge, refund)
    charge["amount_refunded"] += amount
    if refund["reason"] == "fraudulent":
        charge["fraud_report"] = "fraudulent"
    ctx.put("charge", charge)
    ctx.put("refund", refund)
    events.emit(ctx, "refund.created", "refund", refund)
    events.emit(ctx, "charge.refunded", "charge", charge, before)
    return refund


def _charge_to_refund(ctx: Context) -> Record:
    charge_id, intent_id = ctx.params.get("charge"), ctx.params.get("payment_intent")
    if charge_id and intent_id:
        raise invalid("You may only specify one of these parameters: charge, payment_intent.")
    if charge_id:
        return ctx.need("charge", charge_id, "charge")
    if not intent_id:
        message = "One of the following params should be provided for this request: payment_intent or charge."
        raise invalid(message, "payment_intent", "parameter_missing")
    intent = ctx.need("payment_intent", intent_id, "payment_intent")
    charge = ctx.get("charge", intent.get("latest_charge"))
    if charge is None or charge["status"] != "succeeded":
        message = f"This PaymentIntent ({intent_id}) does not have a successful charge to refund."
        raise refused(message, code="charge_not_refundable", param="payment_intent")
    return charge


def _refuse_unrefundable(ctx: Context, charge: Record) -> None:
    name = charge["id"]
    if charge["status"] != "succeeded" or charge.get("refundable") is False:
        raise refused(f"Charge {name} is not refundable.", code="charge_not_refundable", param="charge")
    dispute = ctx.get("dispute", charge.get("dispute"))
    if dispute and not dispute["is_charge_refundable"]:
        raise refused(f"Charge {name} has been charged back; cannot issue a refund.", code="charge_disputed")
    if remaining(charge) <= 0:
        raise refused(f"Charge {name} has already been refunded.", code="charge_already_refunded")


def remaining(charge: Record) -> int:
    """Return what can still be refunded, in minor units."""
    ceiling: int = charge["amount_captured"] if charge["captured"] else charge["amount"]
    return ceiling - int(charge["amount_refunded"])


def _amount(ctx: Context, charge: Record) -> int:
    left = remaining(charge)
    amount = int(ctx.params.get("amount", left))
    if amount < 1:
        raise invalid("This value must be greater than or equal to 1.", "amount", "parameter_invalid_integer")
    if amount > left:
        shown = f"{_money(amount, charge)}) is greater than unrefunded amount on charge ({_money(left, charge)}"
        raise refused(f"Refund amount ({shown})", param="amount")
    if not charge["captured"] and amount != left:
        raise refused("An uncaptured charge can only be refunded in full.", param="amount")
    return amount


def _money(amount: int, charge: Record) -> str:
    currency = charge["currency"]
    symbol = _SYMBOLS.get(currency)
    return f"{symbol}{amount // 100}.{amount % 100:02d}" if symbol else f"{amount} {currency.upper()}"


def _record(ctx: Context, charge: Record, amount: int) -> Record:
    params = ctx.params
    return {
        "id": new_id("re"),
        "created": ctx.now(),
        "amount": amount,
        "currency": charge["currency"],
        "charge": charge["id"],
        "payment_intent": charge["payment_intent"],
        "payment_method": charge.get("payment_method"),
        "customer": charge.get("customer"),
        "reason": params.get("reason") or None,
        "metadata": merge_metadata({}, params.get("metadata")),
        "instructions_email": params.get("instructions_email"),
        "status": "succeeded",
        "balance_transaction": None,
    }


def _release_authorisation(ctx: Context, charge: Record, refund: Record) -> None:
    refund["reversal"] = True
    intent = ctx.get("payment_intent", charge["payment_intent"])
    if intent is None:
        return
    before = wire(ctx, "payment_intent", intent)
    intent.update(status="canceled", canceled_at=ctx.now(), amount_capturable=0)
    ctx.put("payment_intent", intent)
    events.emit(ctx, "payment_intent.canceled", "payment_intent", intent, before)


def _start(ctx: Context, charge: Record, refund: Record) -> None:
    if balance.available(ctx, refund["currency"]) < refund["amount"]:
        refund.update(status="pending", pending_reason="insufficient_funds")
        return
    behaviour = card_of(charge.get("card")).refund
    if behaviour == "action":
        refund.update(status="requires_action", expires_at=int(ctx.now() + ctx.delay("requires_action")))
        ctx.schedule("fail", refund["id"], ctx.delay("requires_action"), "unknown")
        return
    _take_from_balance(ctx, refund)
    if behaviour in ("pending", "pending_fail"):
        refund.update(status="pending", pending_reason="processing")
        ctx.schedule("succeed" if behaviour == "pending" else "fail", refund["id"], ctx.delay("pending"))
    elif behaviour == "fail":
        ctx.schedule("fail", refund["id"], ctx.delay("late_failure"), "expired_or_canceled_card")


def _take_from_balance(ctx: Context, refund: Record) -> None:
    if refund["balance_transaction"] is None:
        refund["balance_transaction"] = balance.book(
            ctx,
            -refund["amount"],
            refund["currency"],
            source=refund["id"],
            kind="refund",
            category="refund",
            description="REFUND FOR CHARGE",
        )


def succeed(ctx: Context, refund: Record) -> None:
    """Let a pending refund, or one that waited for the customer, reach the bank."""
    _refuse_state(refund, ("pending", "requires_action"), "succeed")
    before = wire(ctx, "refund", refund)
    _take_from_balance(ctx, refund)
    refund.update(status="succeeded", pending_reason=None)
    _save_changed(ctx, refund, before)


def fund_waiting(ctx: Context) -> int:
    """Pay refunds that waited for a sufficient balance, oldest first; return how many."""
    paid = 0
    for refund in ctx.store.pending_refunds(ctx.account):
        waits = refund.get("pending_reason") == "insufficient_funds"
        if waits and balance.available(ctx, refund["currency"]) >= refund["amount"]:
            succeed(ctx, refund)
            paid += 1
    return paid


def require_action(ctx: Context, refund: Record) -> None:
    """Let a refund wait until the customer has named an account."""
    _refuse_state(refund, ("pending",), "require action")
    before = wire(ctx, "refund", refund)
    refund.update(status="requires_action", pending_reason=None)
    refund["expires_at"] = int(ctx.now() + ctx.delay("requires_action"))
    _save_changed(ctx, refund, before)


def fail(ctx: Context, refund: Record, reason: str = "unknown") -> None:
    """Let a refund fail, even one that had succeeded: the money returns, the charge can be refunded again."""
    _refuse_state(refund, OPEN_STATES, "fail")
    before = wire(ctx, "refund", refund)
    refund.update(status="failed", failure_reason=reason, pending_reason=None)
    _return_money(ctx, refund)
    _save_changed(ctx, refund, before)
    events.emit(ctx, "refund.failed", "refund", refund)
    _reopen_charge(ctx, refund)


def cancel(ctx: Context, refund: Record) -> None:
    """Cancel a refund that waits for the customer; Stripe allows it in no other state."""
    if refund["status"] != "requires_action":
        raise refused(f"Refund {refund['id']} cannot be canceled because its status is {refund['status']}.")
    before = wire(ctx, "refund", refund)
    refund.update(status="canceled")
    _return_money(ctx, refund)
    _save_changed(ctx, refund, before)
    _reopen_charge(ctx, refund)


def update_metadata(ctx: Context, refund: Record) -> None:
    """Change what the caller noted on a refund."""
    before = wire(ctx, "refund", refund)
    if "metadata" in ctx.params:
        refund["metadata"] = merge_metadata(refund["metadata"], ctx.params["metadata"])
    _save_changed(ctx, refund, before)


def _refuse_state(refund: Record, allowed: tuple[str, ...], verb: str) -> None:
    if refund["status"] not in allowed:
        raise ApiError(400, f"Refund {refund['id']} cannot {verb}: its status is {refund['status']}.")


def _return_money(ctx: Context, refund: Record) -> None:
    if refund["balance_transaction"]:
        refund["failure_balance_transaction"] = balance.book(
            ctx,
            refund["amount"],
            refund["currency"],
            source=refund["id"],
            kind="refund_failure",
            category="refund_failure",
            description="REFUND FAILURE",
        )


def _reopen_charge(ctx: Context, refund: Record) -> None:
    charge = ctx.need("charge", refund["charge"])
    before = wire(ctx, "charge", charge)
    charge["amount_refunded"] -= refund["amount"]
    ctx.put("charge", charge)
    events.emit(ctx, "charge.updated", "charge", charge, before)


def _save_changed(ctx: Context, refund: Record, before: Wire) -> None:
    ctx.put("refund", refund)
    events.emit(ctx, "refund.updated", "refund", refund, before)
    events.emit(ctx, "charge.refund.updated", "refund", refund, before)
