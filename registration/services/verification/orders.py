"""Orders, payments and refunds against the rows they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Exists, OuterRef

from registration.books import balances_by_order
from registration.models import Order, Payment, Refund, RefundPart
from registration.models.refund import ACCEPTED, NOTED, RESERVING, UNDECIDED, URGENCY
from registration.money import ZERO
from registration.services.verification import books as verify_books
from registration.services.verification.rows import Chunk, OrderRow, PartRow, PaymentRow, RefundRow, unusual

Found = Iterator[tuple[str, str]]

COVERED = (Order.Status.PAID, Order.Status.PARTIALLY_REFUNDED, Order.Status.REFUNDED)
RANK = {str(state): rank for rank, state in enumerate(URGENCY)}
CAPTURED = {str(status) for status in Payment.CAPTURED}
ACCEPTED_STATES = {str(state) for state in ACCEPTED}
RESERVING_STATES = {str(state) for state in RESERVING}
UNDECIDED_STATES = {str(state) for state in UNDECIDED}
NOTED_STATES = {str(state) for state in NOTED}


class Balance(NamedTuple):
    """The four sums of a payment or an order."""

    paid: Decimal = ZERO
    refunded: Decimal = ZERO
    reserved: Decimal = ZERO
    refundable: Decimal = ZERO


def check(low: int, high: int) -> Found:
    """Yield (row, problem) for the orders with keys from ``low`` to ``high``, their payments and refunds."""
    chunk = Chunk(unusual(low, high))
    accounts = balances_by_order([order.pk for order in chunk.orders])
    for order in chunk.orders:
        payments = chunk.payments.get(order.pk, [])
        balances = [payment_balance(payment, chunk.parts.get(payment.pk, [])) for payment in payments]
        balance = order_balance(balances, chunk.notes.get(order.pk, ZERO))
        for problem in _order(order, balance, explained=order.pk in chunk.explained):
            yield f"order {order.reference}", problem
        held = accounts.get(order.pk, {})
        for problem in verify_books.of_order(held, paid=balance.paid, refunded=balance.refunded):
            yield f"order {order.reference}", problem
        for payment, kept in zip(payments, balances, strict=True):
            for problem in _payment(payment, kept, order):
                yield f"payment {payment.pk} of order {order.reference}", problem
            for part in chunk.parts.get(payment.pk, []):
                for problem in _part(part, payment):
                    yield f"refund part {part.pk} of order {order.reference}", problem
        for refund in chunk.refunds.get(order.pk, []):
            for problem in _refund(refund, order, chunk.refund_parts.get(refund.pk, [])):
                yield f"refund RF-{refund.pk:04d} of order {order.reference}", problem


def payment_balance(payment: PaymentRow, parts: list[PartRow]) -> Balance:
    """What a payment's balance must be, given its parts."""
    paid = payment.amount if payment.status in CAPTURED else ZERO
    refunded = sum((part.amount for part in parts if part.state in ACCEPTED_STATES), ZERO)
    reserved = sum((part.amount for part in parts if part.state in RESERVING_STATES), ZERO)
    if payment.status == Payment.Status.REFUNDED and not parts:
        refunded = payment.amount
    ceiling = ZERO if payment.method == Payment.Method.COMP else paid
    return Balance(paid, refunded, reserved, ceiling - refunded - reserved)


def order_balance(payments: list[Balance], notes: Decimal) -> Balance:
    """What an order's balance must be, given those of its payments and its loose credit notes."""
    paid, refunded, reserved, refundable = (sum(column, ZERO) for column in zip(Balance(), *payments, strict=True))
    return Balance(paid, refunded + notes, reserved, refundable - notes)


def _differences(row: OrderRow | PaymentRow, kept: Balance) -> Iterator[str]:
    for name in ("refunded", "reserved", "refundable"):
        if getattr(row, name) != getattr(kept, name):
            yield f"{name} is {getattr(row, name)}, its rows say {getattr(kept, name)}"


def _order(order: OrderRow, kept: Balance, *, explained: bool) -> Iterator[str]:
    if order.paid != kept.paid:
        yield f"paid is {order.paid}, its payments say {kept.paid}"
    yield from _differences(order, kept)
    if order.currency != order.conference_currency:
        yield f"is in {order.currency}, its conference in {order.conference_currency}"
    if (status := settled_status(order, kept)) != order.status:
        yield f"is {order.status}, its sums say {status}"
    if order.status in COVERED and kept.paid < order.total:
        yield f"is {order.status}, but {kept.paid} of {order.total} was paid"
    if kept.paid > order.total and not explained and order.status != Order.Status.CANCELLED:
        yield f"was paid {kept.paid} of {order.total}, and no item says why"
    if order.status == Order.Status.CANCELLED and kept.refundable > 0 and not explained:
        yield f"is CANCELLED but keeps {kept.refundable}, and no item says why"


def settled_status(order: OrderRow, kept: Balance) -> str:
    """The status that the sums call for, worked out apart from the model."""
    if order.status == Order.Status.CANCELLED:
        return order.status
    if order.status == Order.Status.PENDING:
        covered = kept.paid > 0 and kept.paid >= order.total
        return Order.Status.PAID if covered else order.status
    if kept.refunded <= 0:
        return Order.Status.PAID
    left = kept.paid - kept.refunded
    still_paid_for = left >= order.total and left > 0 and order.status != Order.Status.REFUNDED
    covered = kept.refunded >= order.total and not still_paid_for
    return Order.Status.REFUNDED if covered else Order.Status.PARTIALLY_REFUNDED


def _payment(payment: PaymentRow, kept: Balance, order: OrderRow) -> Iterator[str]:
    yield from _differences(payment, kept)
    if payment.currency != order.currency:
        yield f"is in {payment.currency}, its order in {order.currency}"
    if payment.status == Payment.Status.REFUNDED and kept.refunded != payment.amount:
        yield f"is REFUNDED, but {kept.refunded} of {payment.amount} went back"
    if payment.status == Payment.Status.SUCCEEDED and ZERO < payment.amount <= kept.refunded:
        yield "is SUCCEEDED, but all of it went back"
    if payment.method == Payment.Method.CREDIT and kept.paid > 0 and payment.credit_id is None:
        yield "was paid by credit, but by none that is known"


def _part(part: PartRow, payment: PaymentRow) -> Iterator[str]:
    if part.currency != payment.currency:
        yield f"is in {part.currency}, its payment in {payment.currency}"
    if part.refund_order_id != part.order_id:
        yield "belongs to a refund of another order"


def _refund(refund: RefundRow, order: OrderRow, parts: list[PartRow]) -> Iterator[str]:
    if refund.currency != order.currency:
        yield f"is in {refund.currency}, its order in {order.currency}"
    total = sum((part.amount for part in parts), ZERO)
    if refund.amount != total:
        yield f"is over {refund.amount}, its parts over {total}"
    if parts and refund.state != (state := min((part.state for part in parts), key=lambda each: RANK.get(each, -1))):
        yield f"is {refund.state}, its parts are {state}"
    if needs_note(refund, parts) and not refund.has_note:
        yield "has no credit note"


def needs_note(refund: RefundRow, parts: list[PartRow]) -> bool:
    """Whether a credit must record it: all of it is decided, and not all of it went back to the credit it paid with."""
    if refund.source == Refund.Source.EXTERNAL or any(part.state in UNDECIDED_STATES for part in parts):
        return False
    return any(part.state in NOTED_STATES and part.channel != RefundPart.Channel.CREDIT_RETURN for part in parts)


def strays() -> Found:
    """Yield rows whose order is not there, which only somebody who switched the guards off can leave behind."""
    there = Exists(Order.objects.filter(pk=OuterRef("order_id")))
    for model in (Payment, Refund):
        for pk, order_id in model._default_manager.exclude(there).order_by("pk").values_list("pk", "order_id"):
            yield f"{model._meta.model_name} {pk}", f"belongs to order {order_id}, which is gone"
