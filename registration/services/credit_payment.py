"""Pays pending orders from credit, and gives it back when the order is not to be."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from registration.models import Credit, CreditEntry, OpenItem, Order, Payment
from registration.money import ZERO, format_money
from registration.said import Sentence, say
from registration.services.credit_notes import replacement, restore
from registration.services.errors import RefundError, StaleBalance
from registration.services.history import record
from registration.services.open_items import open_item
from registration.services.planner import check_amount, plan_credit
from registration.signals import order_paid
from registration.stripe_gateway import StripeProblem, gateway_for

log = logging.getLogger(__name__)
OPEN_INTENT = (Payment.Status.PENDING, Payment.Status.PROCESSING)


def pay_from_credits(
    credits: Sequence[Credit],
    target_order: Order,
    *,
    staff_user: Any = None,
    amount: Decimal | None = None,
    balance_seen: Decimal | None = None,
) -> list[Payment]:
    """Pay a pending order from credits; see ``RefundService.apply_credits``."""
    with transaction.atomic():
        order = Order.objects.select_for_update(no_key=True).get(pk=target_order.pk)
        list(order.payments.select_for_update(no_key=True).order_by("pk").values_list("pk"))
        locked = list(
            Credit.objects.select_for_update(no_key=True).filter(pk__in=[c.pk for c in credits]).order_by("pk")
        )
        _check(locked, order, amount, balance_seen)
        payments = [_pay(credit, order, take, staff_user) for credit, take in plan_credit(locked, order, amount)]
        complete_if_paid(order, staff_user)
        transaction.on_commit(partial(cancel_open_intents, order))
    target_order.refresh_from_db()
    return payments


def _check(credits: Sequence[Credit], order: Order, amount: Decimal | None, balance_seen: Decimal | None) -> None:
    """Refuse what does not belong together, cannot be spent or has changed."""
    if order.status != Order.Status.PENDING:
        raise RefundError(_("Credit can only be applied to an order that waits for payment."))
    if order.due_amount <= 0:
        raise RefundError(_("This order is paid already."))
    if balance_seen is not None and balance_seen != order.due_amount:
        raise _stale(order, balance_seen)
    if not credits:
        raise RefundError(_("Choose a credit to apply."))
    for credit in credits:
        _check_credit(credit, order)
    if amount is not None:
        _check_amount(credits, order, amount)


def _check_credit(credit: Credit, order: Order) -> None:
    if credit.user_id != order.user_id or credit.conference_id != order.conference_id:
        raise RefundError(_("This credit belongs to another attendee or conference."))
    if not credit.is_spendable:
        raise RefundError(_("%(credit)s has nothing left to spend.") % {"credit": credit.number})
    if credit.currency != order.currency:
        raise RefundError(_("This credit is in another currency than the order."))


def _check_amount(credits: Sequence[Credit], order: Order, amount: Decimal) -> None:
    check_amount(amount, order.currency)
    at_most = min(order.due_amount, sum((credit.remaining_amount for credit in credits), ZERO))
    if amount > at_most:
        raise RefundError(_("At most %(amount)s can be applied.") % {"amount": format_money(at_most, order.currency)})


def _stale(order: Order, seen: Decimal) -> StaleBalance:
    return StaleBalance(
        _("The order changed since you opened it: %(now)s is due now, not %(seen)s.")
        % {"now": format_money(order.due_amount, order.currency), "seen": format_money(seen, order.currency)},
        order,
    )


def _pay(credit: Credit, order: Order, amount: Decimal, staff_user: Any) -> Payment:
    """Move ``amount`` from a locked credit to a locked order."""
    payment = Payment.objects.create(
        order=order,
        method=Payment.Method.CREDIT,
        status=Payment.Status.SUCCEEDED,
        amount=amount,
        currency=order.currency,
        credit=credit,
        reference=credit.number,
        created_by=staff_user,
    )
    CreditEntry.objects.create(
        credit=credit,
        kind=CreditEntry.Kind.APPLIED,
        amount=-amount,
        order=order,
        payment=payment,
        actor=staff_user,
        reason=order.reference,
    )
    credit.refresh_from_db()
    credit.applied_to_order = order
    if credit.remaining_amount <= 0:
        credit.status = Credit.Status.APPLIED
    credit.save(update_fields=["applied_to_order", "status", "updated_at"])
    order.refresh_from_db()
    facts = {"amount": amount, "currency": order.currency, "credit": credit.number, "due": order.due_amount}
    record(order, "credit_applied", actor=staff_user, facts=facts)
    return payment


def complete_if_paid(order: Order, staff_user: Any = None) -> bool:
    """Make a locked pending order PAID once it is covered, clear its hold and say so after the commit, once."""
    order.refresh_from_db()
    if order.status != Order.Status.PENDING or order.due_amount > 0:
        return False
    order.status = Order.Status.PAID
    order.status = order.settled_status
    order.hold_expires_at = None
    order.save(update_fields=["status", "hold_expires_at", "updated_at"])
    record(order, "order_paid", actor=staff_user, facts={"amount": order.paid_amount, "currency": order.currency})
    transaction.on_commit(partial(order_paid.send_robust, sender=Order, order=order, user=staff_user or order.user))
    return True


def cancel_open_intents(order: Order) -> None:
    """Cancel card payments that could still arrive for what credit has paid; one that arrived is an open item."""
    for payment in order.payments.filter(status__in=OPEN_INTENT).exclude(stripe_payment_intent_id=""):
        try:
            gateway_for(order.conference).cancel_payment_intent(payment.stripe_payment_intent_id)
        except StripeProblem as problem:
            log.warning("Payment intent of payment %s was not cancelled: %s", payment.pk, problem.code)
            open_item(
                OpenItem.Kind.OVERPAID,
                f"payment:{payment.pk}",
                conference=order.conference,
                order=order,
                payment=payment,
                facts={"amount": str(payment.amount), "currency": payment.currency, "cause": "intent_open"},
            )
        else:
            with transaction.atomic():
                Order.objects.select_for_update(no_key=True).get(pk=order.pk)
                Payment.objects.filter(pk=payment.pk, status__in=OPEN_INTENT).update(status=Payment.Status.FAILED)


@transaction.atomic
def release_order(order: Order, *, staff_user: Any = None, reason: Sentence = "") -> Order:
    """Cancel a pending order; credit that was applied returns to the same credit.

    Raises:
        RefundError: The order is not pending, or a card paid part of it, which must be refunded instead.
    """
    fresh = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
    if fresh.status != Order.Status.PENDING:
        raise RefundError(_("Only an order that waits for payment can be released."))
    captured = list(
        fresh.payments.select_for_update(no_key=True).filter(status=Payment.Status.SUCCEEDED).order_by("pk")
    )
    if any(payment.method != Payment.Method.CREDIT and payment.amount > 0 for payment in captured):
        raise RefundError(_("Part of this order is paid by card or by hand; settle that first."))
    for payment in captured:
        if payment.method == Payment.Method.CREDIT:
            _give_back(payment, fresh, getattr(staff_user, "pk", None), reason or fresh.reference)
        payment.status = Payment.Status.FAILED
        payment.save(update_fields=["status", "credit"])
    fresh.status = Order.Status.CANCELLED
    fresh.hold_expires_at = None
    fresh.save(update_fields=["status", "hold_expires_at", "updated_at"])
    record(fresh, "order_released", actor=staff_user, facts={"reason": reason})
    transaction.on_commit(partial(cancel_open_intents, fresh))
    order.refresh_from_db()
    return fresh


def release_due(limit: int | None = None) -> int:
    """Release pending orders whose hold has run out after credit was applied; returns how many."""
    arrived = Payment.objects.filter(status=Payment.Status.SUCCEEDED, amount__gt=0)
    by_credit = arrived.filter(method=Payment.Method.CREDIT).values("order")
    otherwise = arrived.exclude(method=Payment.Method.CREDIT).values("order")
    due = Order.objects.filter(status=Order.Status.PENDING, hold_expires_at__lte=timezone.now(), pk__in=by_credit)
    due = due.exclude(pk__in=otherwise)
    return sum(_release_if_due(order) for order in list(due.order_by("hold_expires_at", "pk")[:limit]))


@transaction.atomic
def _release_if_due(order: Order) -> bool:
    """Release one order unless its hold was extended, or it was paid, a moment ago."""
    fresh = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
    if fresh.hold_expires_at is None or fresh.hold_expires_at > timezone.now():
        return False
    try:
        release_order(fresh, reason=say("hold_ran_out"))
    except RefundError:
        return False
    return True


def _give_back(payment: Payment, order: Order, actor_id: int | None, reason: Sentence) -> None:
    """Return what a locked order took from a credit; one that is not known is replaced."""
    if payment.credit_id is None:
        payment.credit = replacement(order, payment.amount, note=reason, actor_id=actor_id)
        return
    credit = Credit.objects.select_for_update(no_key=True).get(pk=payment.credit_id)
    restore(credit, payment.amount, order=order, payment_id=payment.pk, actor_id=actor_id, reason=reason)
