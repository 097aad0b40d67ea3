"""The first step of a refund: check what is asked, plan it, and reserve the sum in a row of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from registration.models import OpenItem, Order, Payment, Refund, RefundPart
from registration.models.refund import State
from registration.money import format_money
from registration.services.approval import ask_for_approval
from registration.services.begin import begin
from registration.services.errors import DuplicateSubmit, RefundError, StaleBalance
from registration.services.history import record
from registration.services.limits import one_at_a_time, why_above_limit
from registration.services.line_counts import counted_lines, counts_in, write_lines
from registration.services.lines import check_lines
from registration.services.planner import RefundPlan, plan_refund
from registration.services.retries import check_retry
from registration.services.surplus import check_for_item, note_refund
from registration.ways import channel_fact


def decide(
    order: Order,
    asked: Mapping[str, Any],
    columns: dict[str, Any],
    line_amounts: Mapping[int, Decimal],
    *,
    balance_seen: Decimal | None,
    propose: bool,
    hold_seconds: int,
    for_item: OpenItem | None = None,
) -> Refund:
    """The first step: check, plan and reserve under the order's lock, and commit before anything is sent.

    Args:
        order: Only its key is trusted.
        asked: What the planner is asked for.
        columns: Who decided it and why, as columns of the refund.
        line_amounts: How much of it is for which line item, by key.
        balance_seen: As the operator saw it.
        propose: Whether a second person may be asked.
        hold_seconds: How long it can be undone.
        for_item: The item about money paid too much that it is decided for.
    """
    try:
        with transaction.atomic(durable=True):
            fresh = _lock(order, nonce=columns["nonce"], balance_seen=balance_seen)
            if for_item is not None:
                check_for_item(fresh, for_item, asked["amount"], line_amounts)
            plan = plan_refund(fresh, **asked)
            is_above = _check_limit(fresh, plan, columns["requested_by"], propose=propose)
            check_lines(fresh, line_amounts, asked["amount"])
            check_retry(fresh, columns["retry_of"], plan.amount)
            waits = _until_approved() if is_above else _until_sent(hold_seconds)
            counts = counts_in(fresh, line_amounts)
            refund = _write_refund(fresh, plan, columns | waits)
            write_lines(refund, line_amounts, counts)
            if for_item is not None:
                note_refund(for_item, refund)
            _set_going(fresh, refund, plan, for_item)
    except IntegrityError as error:
        raise _explained(error, columns["nonce"]) from error
    return refund


def _lock(order: Order, *, nonce: str | None, balance_seen: Decimal | None) -> Order:
    """Lock the order and its payments, and refuse a form that was sent before or shows old numbers."""
    fresh = Order.objects.select_for_update(no_key=True, of=("self",)).select_related("conference").get(pk=order.pk)
    list(fresh.payments.select_for_update(no_key=True).order_by("pk").values_list("pk"))
    if nonce and (earlier := Refund.objects.filter(nonce=nonce).first()):
        raise _duplicate(earlier)
    if balance_seen is not None and balance_seen != fresh.refundable_amount:
        raise changed_since(fresh, balance_seen)
    if OpenItem.objects.not_in_the_books(fresh).exists():
        # The balance does not know of it, so that it could be paid out a second time.
        raise RefundError(_("Money of this order went back at Stripe and is not in the books. Settle that item first."))
    return fresh


def changed_since(order: Order, balance_seen: Decimal) -> StaleBalance:
    """What somebody reads whose form shows an order as it was; in the order's currency."""
    now, seen = (format_money(amount, order.currency) for amount in (order.refundable_amount, balance_seen))
    if now == seen:
        return StaleBalance(_("The line items changed since you opened this order. Choose them again."), order)
    text = _("The order changed since you opened it: %(now)s can be refunded now, not %(seen)s.")
    return StaleBalance(text % {"now": now, "seen": seen}, order)


def _duplicate(earlier: Refund) -> DuplicateSubmit:
    return DuplicateSubmit(_("This form was already sent. Below is what it did."), earlier)


def _explained(error: IntegrityError, nonce: str | None) -> RefundError:
    """The sentence for what the database refused."""
    if nonce and (earlier := Refund.objects.filter(nonce=nonce).first()):
        return _duplicate(earlier)
    return RefundError(_("Someone else refunded this order at the same moment. Reload it and check."))


def _check_limit(order: Order, plan: RefundPlan, staff_user: Any, *, propose: bool) -> bool:
    """Whether a second person has to decide; refuse what is above the limit and not meant as a proposal."""
    one_at_a_time(order.conference, staff_user)
    above = why_above_limit(order, plan.total_out, staff_user)
    if above and not propose:
        raise RefundError(above)
    return bool(above)


def _until_approved() -> dict[str, Any]:
    return {"state": State.AWAITING_APPROVAL, "hold_until": None}


def _until_sent(hold_seconds: int) -> dict[str, Any]:
    until = timezone.now() + timedelta(seconds=hold_seconds) if hold_seconds > 0 else None
    return {"state": State.REQUESTED, "hold_until": until}


def _write_refund(order: Order, plan: RefundPlan, columns: Mapping[str, Any]) -> Refund:
    """Reserve the sum: from here on a row says what is about to happen."""
    refund = Refund.objects.create(
        order=order,
        amount=plan.amount,
        currency=plan.currency,
        fee_amount=plan.fee_amount,
        destination=plan.destination,
        **columns,
    )
    for planned in plan.parts:
        RefundPart.objects.create(
            refund=refund,
            payment=planned.payment,
            channel=planned.channel,
            amount=planned.amount,
            currency=order.currency,
            state=refund.state,
        )
    return refund


def _set_going(order: Order, refund: Refund, plan: RefundPlan, for_item: OpenItem | None) -> None:
    """Write the decision into the history, and hand it to whoever is next."""
    is_proposal = refund.state == State.AWAITING_APPROVAL
    kind = "refund_proposed" if is_proposal else "refund_requested"
    facts = _request_facts(order, refund, plan) | counted_lines(refund)
    facts |= {"for_kind": for_item.kind} if for_item is not None else {}
    record(order, kind, actor=refund.requested_by, refund=refund, facts=facts)
    if is_proposal:
        ask_for_approval(order, refund)
    elif not refund.is_held:
        begin(order, refund)


def _request_facts(order: Order, refund: Refund, plan: RefundPlan) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "number": refund.number,
        "amount": refund.amount,
        "currency": refund.currency,
        "total": order.total,
        "destination": refund.destination,
        "refundable": plan.refundable_after,
        "reason": refund.reason,
        "note": refund.note,
    }
    if refund.fee_amount:
        facts["fee"] = refund.fee_amount
    facts |= channel_fact(refund.destination, {planned.channel for planned in plan.parts})
    return facts | card_fact(refund.destination, [planned.payment for planned in plan.parts])


def card_fact(destination: str, payments: Sequence[Payment | None]) -> dict[str, Any]:
    """The one card that everything goes to, where there is one and its digits are known."""
    cards = {payment.tender for payment in payments if payment and payment.card_last4}
    is_one = destination == Refund.Destination.CARD and len(cards) == 1 and all(p and p.card_last4 for p in payments)
    return {"card": cards.pop()} if is_one else {}
