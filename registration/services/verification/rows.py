"""What ``verify_ledger`` reads of orders: which of them need a closer look, and the rows of those."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Exists, OuterRef

from registration.models import Credit, CreditEntry, OpenItem, Order, Payment, Refund, RefundPart
from registration.money import ZERO

SUSPECTS = (Path(__file__).parent / "suspects.sql").read_text()
CENTS = {"postgresql": r"\1", "sqlite": r"CAST(ROUND(\1 * 100) AS INTEGER)"}


def unusual(low: int, high: int) -> list[int]:
    """Keys of the orders worth a closer look.

    Nearly all orders agree with their rows, and the database itself can tell: it adds up and compares, and names only
    those where something differs, or that take more than a comparison to judge.
    """
    with connection.cursor() as cursor:
        cursor.execute(_suspects(connection.vendor), {"low": low, "high": high})
        return sorted(key for (key,) in cursor.fetchall())


@cache
def _suspects(vendor: str) -> str:
    return re.sub(r"cents\(([\w.]+)\)", CENTS[vendor], SUSPECTS)


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
    own = Exists(Credit.objects.filter(refund=OuterRef("pk")))
    # What is kept of an older credit stays recorded by that one.
    kept = Exists(RefundPart.objects.filter(refund=OuterRef("pk"), channel="STORE_CREDIT", credit__isnull=False))
    return rows.annotate(has_note=own | kept).values_list(*columns)


def _notes(keys: list[int]) -> dict[int, Decimal]:
    """Credit notes written without a refund row, which count as refunded all the same."""
    rows = Credit.objects.filter(source_order_id__in=keys, refund__isnull=True, kind=Credit.Kind.REFUND)
    sums: dict[int, Decimal] = defaultdict(lambda: ZERO)
    for credit in rows.prefetch_related("entries"):
        if credit.source_order_id is not None:
            sums[credit.source_order_id] += used_of(credit) if credit.status == credit.Status.VOIDED else credit.amount
    return sums


def used_of(credit: Credit) -> Decimal:
    """What orders took of a credit and kept, which stays refunded when the rest is voided."""
    uses = (CreditEntry.Kind.APPLIED, CreditEntry.Kind.RESTORED)
    return -sum((entry.amount for entry in credit.entries.all() if entry.kind in uses), ZERO)


def _explained(keys: list[int]) -> set[int | None]:
    """Orders whose surplus has, or had, an open item; what went back past the desk may have been paid again."""
    kinds = (OpenItem.Kind.OVERPAID, OpenItem.Kind.PAID_LATE, OpenItem.Kind.EXTERNAL)
    return set(OpenItem.objects.filter(order_id__in=keys, kind__in=kinds).values_list("order_id", flat=True))
