"""Orders, payments and refunds against the rows they are made of."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from django.db.models import DecimalField, Exists, F, OuterRef, Q, Subquery, Sum
from django.db.models.functions import Coalesce

from registration.models import Credit, OpenItem, Order, Payment, Refund, RefundPart
from registration.models.refund import ACCEPTED, RESERVING, URGENCY
from registration.money import ZERO
from registration.services.key_ranges import between

Found = Iterator[tuple[str, str]]

COVERED = (Order.Status.PAID, Order.Status.PARTIALLY_REFUNDED, Order.Status.REFUNDED)
RANK = {str(state): rank for rank, state in enumerate(URGENCY)}
CAPTURED = {str(status) for status in Payment.CAPTURED}
ACCEPTED_STATES = {str(state) for state in ACCEPTED}
RESERVING_STATES = {str(state) for state in RESERVING}


class OrderRow(NamedTuple):
    """What is read of an order."""

    pk: int
    reference: str
    status: str
    currency: str
    conference_currency: str
    total: Decimal
    paid: Decimal
    refunded: Decimal
    reserved: Decimal
    refundable: Decimal


class PaymentRow(NamedTuple):
    """What is read of a payment."""

    pk: int
    order_id: int
    method: str
    status: str
    currency: str
    amount: Decimal
    refunded: Decimal
    reserved: Decimal
    refundable: Decimal
    credit_id: int | None


class PartRow(NamedTuple):
    """What is read of a part of a refund."""

    pk: int
    payment_id: int
    refund_id: int
    refund_order_id: int
    order_id: int
    state: str
    currency: str
    amount: Decimal
    channel: str


class RefundRow(NamedTuple):
    """What is read of a refund; ``has_note`` says whether a credit note records it."""

    pk: int
    order_id: int
    state: str
    currency: str
    amount: Decimal
    source: str
    has_note: bool


class Balance(NamedTuple):
    """The four sums of a payment or an order."""

    paid: Decimal = ZERO
    refunded: Decimal = ZERO
    reserved: Decimal = ZERO
    refundable: Decimal = ZERO


class Chunk:
    """The rows of some orders."""

    def __init__(self, keys: list[int]) -> None:
        """Read them, one query for each table."""
        self.orders = [OrderRow(*row) for row in _orders(keys)]
        self.payments: dict[int, list[PaymentRow]] = defaultdict(list)
        for payment in (PaymentRow(*row) for row in _payments(keys)):
            self.payments[payment.order_id].append(payment)
        self.parts: dict[int, list[PartRow]] = defaultdict(list)
        self.refund_parts: dict[int, list[PartRow]] = defaultdict(list)
        for part in (PartRow(*row) for row in _parts(keys)):
            self.parts[part.payment_id].append(part)
            self.refund_parts[part.refund_id].append(part)
        self.refunds: dict[int, list[RefundRow]] = defaultdict(list)
        for refund in (RefundRow(*row) for row in _refunds(keys)):
            self.refunds[refund.order_id].append(refund)
        self.notes = _notes(keys)
        self.explained = _explained(keys)


def _orders(keys: list[int]) -> Iterable[tuple[Any, ...]]:
    return (
        Order.objects.filter(pk__in=keys)
        .order_by("pk")
        .values_list(
            "pk",
            "reference",
            "status",
            "currency",
            "conference__currency",
            "total",
            "paid_amount",
            "refunded_amount",
            "reserved_amount",
            "refundable_amount",
        )
    )


def _payments(keys: list[int]) -> Iterable[tuple[Any, ...]]:
    return (
        Payment.objects.filter(order_id__in=keys)
        .order_by()
        .values_list(
            "pk",
            "order_id",
            "method",
            "status",
            "currency",
            "amount",
            "refunded_amount",
            "reserved_amount",
            "refundable_amount",
            "credit_id",
        )
    )


def _parts(keys: list[int]) -> Iterable[tuple[Any, ...]]:
    columns = ("pk", "payment_id", "refund_id", "refund__order_id", "payment__order_id", "state", "currency", "amount")
    rows = RefundPart.objects.filter(payment__order_id__in=keys).order_by()
    return rows.values_list(*columns, "channel")


def _refunds(keys: list[int]) -> Iterable[tuple[Any, ...]]:
    columns = ("pk", "order_id", "state", "currency", "amount", "source", "has_note")
    rows = Refund.objects.filter(order_id__in=keys).order_by()
    return rows.annotate(has_note=Exists(Credit.objects.filter(refund=OuterRef("pk")))).values_list(*columns)


def _notes(keys: list[int]) -> dict[int, Decimal]:
    """Credit notes written without a refund row, which count as refunded all the same."""
    rows = Credit.objects.filter(source_order_id__in=keys, refund__isnull=True, kind=Credit.Kind.REFUND)
    sums: dict[int, Decimal] = defaultdict(lambda: ZERO)
    for order_id, amount in rows.exclude(status=Credit.Status.VOIDED).values_list("source_order_id", "amount"):
        if order_id is not None:
            sums[order_id] += amount
    return sums


def _explained(keys: list[int]) -> set[int | None]:
    """Orders whose surplus has, or had, an open item."""
    kinds = (OpenItem.Kind.OVERPAID, OpenItem.Kind.PAID_LATE)
    return set(OpenItem.objects.filter(order_id__in=keys, kind__in=kinds).values_list("order_id", flat=True))


def check(low: int, high: int) -> Found:
    """Yield (row, problem) for the orders with keys from ``low`` to ``high``, their payments and refunds."""
    chunk = Chunk(unusual(low, high))
    for order in chunk.orders:
        payments = chunk.payments.get(order.pk, [])
        balances = [payment_balance(payment, chunk.parts.get(payment.pk, [])) for payment in payments]
        balance = order_balance(balances, chunk.notes.get(order.pk, ZERO))
        for problem in _order(order, balance, explained=order.pk in chunk.explained):
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


def unusual(low: int, high: int) -> list[int]:
    """Keys of the orders worth a closer look.

    Most orders are plain: paid once and in full, or not at all, and nothing went back. The database recognises those,
    by conditions that leave no room for any of the problems that are looked for in the others.
    """
    mine = OuterRef("pk")
    odd = (
        Exists(Payment.objects.filter(order=mine).exclude(_is_plain_payment()))
        | Exists(Refund.objects.filter(order=mine))
        | Exists(RefundPart.objects.filter(payment__order=mine))
        | Exists(Credit.objects.filter(source_order=mine))
    )
    captured = Payment.objects.filter(order=mine, status=Payment.Status.SUCCEEDED).order_by().values("order")
    paid = Coalesce(Subquery(captured.annotate(sum=Sum("amount")).values("sum")), ZERO, output_field=DecimalField())
    gift = Payment.objects.filter(order=mine, method=Payment.Method.COMP)
    orders = Order.objects.filter(**between("pk", (low, high))).annotate(paid=paid)
    plain = orders.exclude(odd).exclude(Exists(gift)).filter(_is_plain_order())
    return sorted(set(orders.values_list("pk", flat=True)) - set(plain.values_list("pk", flat=True)))


def _is_plain_order() -> Q:
    """Paid exactly, or nothing paid; needs ``paid``, the sum of its captured payments, and no gifts among them."""
    balance = Q(paid_amount=F("paid"), refundable_amount=F("paid"), refunded_amount=0, reserved_amount=0)
    settled = Q(status=Order.Status.PAID, total=F("paid"))
    unpaid = Q(status__in=[Order.Status.PENDING, Order.Status.CANCELLED], paid=0)
    return balance & (settled | unpaid) & Q(currency=F("conference__currency"))


def _is_plain_payment() -> Q:
    """All of it is still there, or none of it arrived; in the currency of its order."""
    arrived = Q(status=Payment.Status.SUCCEEDED, refundable_amount=F("amount"))
    waiting = Q(status__in=[Payment.Status.PENDING, Payment.Status.PROCESSING, Payment.Status.FAILED])
    untouched = Q(refunded_amount=0, reserved_amount=0, currency=OuterRef("currency"))
    not_a_credit = ~Q(method=Payment.Method.CREDIT)
    return untouched & (arrived | (waiting & Q(refundable_amount=0))) & not_a_credit


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
    return Balance(paid, refunded + notes, reserved, max(refundable - notes, ZERO))


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
    return Order.Status.REFUNDED if kept.refunded >= order.total else Order.Status.PARTIALLY_REFUNDED


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
    if refund.source == Refund.Source.EXTERNAL or any(part.state in RESERVING_STATES for part in parts):
        return False
    return any(part.state in ACCEPTED_STATES and part.channel != RefundPart.Channel.CREDIT_RETURN for part in parts)


def strays() -> Found:
    """Yield rows whose order is not there, which only somebody who switched the guards off can leave behind."""
    there = Exists(Order.objects.filter(pk=OuterRef("order_id")))
    for model in (Payment, Refund):
        for pk, order_id in model._default_manager.exclude(there).order_by("pk").values_list("pk", "order_id"):
            yield f"{model._meta.model_name} {pk}", f"belongs to order {order_id}, which is gone"
