"""The rows of the orders list, always drawn from what the database says now: one question for a page of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Exists, OuterRef, QuerySet
from django_tables2.rows import BoundRow

from dashboard.lists.tables import OrderTable
from registration.json_rows import JSONRows, keep, made_of, moment_of, rows_of
from registration.kept_query import NOW, KeptListing
from registration.models import Conference, Credit, OpenItem, Order, Payment, Refund, RefundPart
from registration.money import quantize_money

ORDER = (
    *("id", "conference_id", "user_id", "status", "currency", "total", "billing_name", "billing_email", "reference"),
    *("hold_expires_at", "created_at", "paid_amount", "refunded_amount", "reserved_amount", "refundable_amount"),
)
USER = ("id", "username", "first_name", "last_name", "email")
CONFERENCE = ("id", "stripe_secret_key", "timezone")
"""What a row that stands alone needs to know of its conference; a page of rows is of one."""
PAYMENT = ("id", "method", "status", "currency", "refundable_amount", "livemode")
ITEM = ("id", "kind", "refund_id", "resolved_at")
REFUND = ("id", "amount", "state", "requested_by_id", "hold_until")
PART = ("id", "state", "amount", "channel", "checks")
IN_ORDER = OuterRef("pk")


@lru_cache(maxsize=64)
def _listing(ordering: tuple[str, ...], _vendor: str, *, with_conference: bool = False) -> KeptListing:
    """The question for orders with all that their rows show, kept: putting it together costs more than asking it."""
    refunds = Refund.objects.filter(order=IN_ORDER).order_by()
    spendable = Credit.objects.spendable(at=NOW).filter(user=OuterRef("user"), conference=OuterRef("conference"))
    orders = Order.objects.annotate(
        listed_payments=JSONRows(Payment.objects.filter(order=IN_ORDER).order_by(), *PAYMENT, "dispute"),
        listed_items=JSONRows(OpenItem.objects.unresolved().filter(order=IN_ORDER).order_by(), *ITEM),
        listed_refunds=JSONRows(refunds, *REFUND, *(f"parts__{name}" for name in PART)),
        has_credit=Exists(spendable.order_by()),
    )
    conference = CONFERENCE if with_conference else ()
    return KeptListing(
        orders.order_by(*ordering),
        *(*ORDER, "listed_payments", "listed_items", "listed_refunds", "has_credit"),
        *(f"user__{name}" for name in USER),
        *(f"conference__{name}" for name in conference),
    )


def page_of(cut: QuerySet[Order]) -> list[Order]:
    """The orders of a page that was cut by key, with their details, in the page's order.

    The details are asked for only once the page is known: a database that has to sort would fetch them for all.
    """
    return [_order(row) for row in _listing(cut.query.order_by, connection.vendor).among(cut)]


def row_for(order: Order, user: Any = None) -> BoundRow:
    """Read an order again and draw its row.

    Args:
        order: Only its key is trusted.
        user: Whose actions the row offers; without one it offers all, and the actions themselves decide.
    """
    return rows_for(Order.objects.filter(pk=order.pk), user)[0]


def rows_for(orders: QuerySet[Order], user: Any = None) -> list[BoundRow]:
    """Read orders again, in the order of their keys, and draw their rows."""
    listing = _listing(("pk",), connection.vendor, with_conference=True)
    return list(OrderTable([_order(row) for row in listing.among(orders.order_by())], user=user).rows)


def _order(row: Sequence[Any]) -> Order:
    """An order whose payments, open items and refunds can be read without asking again."""
    values, (payments, items, refunds, has_credit), related = (
        row[: len(ORDER)],
        row[len(ORDER) : DETAILS],
        row[DETAILS:],
    )
    order: Order = made_of(Order, ORDER, values)
    order.has_credit = has_credit  # type: ignore[attr-defined]
    order._state.fields_cache["user"] = made_of(get_user_model(), USER, related[: len(USER)])
    if len(related) > len(USER):
        order._state.fields_cache["conference"] = made_of(Conference, CONFERENCE, related[len(USER) :])
    keep(order, "payments", [_payment(order, each) for each in _by_key(payments)])
    keep(order, "open_items", [made_of(OpenItem, ITEM, each) for each in _by_key(items)])
    keep(order, "refunds", _refunds(order, _by_key(refunds)))
    return order


DETAILS = len(ORDER) + 4
"""Where in a row the details end, and the rows it points at begin."""


def _by_key(text: str | None) -> list[list[Any]]:
    return sorted(rows_of(text), key=itemgetter(0))


def _payment(order: Order, row: list[Any]) -> Payment:
    *values, dispute = row
    payment: Payment = made_of(Payment, PAYMENT, values)
    payment.refundable_amount = quantize_money(payment.refundable_amount)
    payment.livemode = None if payment.livemode is None else bool(payment.livemode)
    payment.dispute = json.loads(dispute) if isinstance(dispute, str) else dispute
    payment._state.fields_cache["order"] = order
    return payment


def _refunds(order: Order, rows: list[list[Any]]) -> list[Refund]:
    """The refunds with their parts; a refund comes once for each part, and once without any."""
    refunds: dict[int, Refund] = {}
    parts: dict[int, list[RefundPart]] = {}
    for refund_id, amount, state, requested_by, hold_until, *part in rows:
        if refund_id not in refunds:
            values = [refund_id, quantize_money(amount), state, requested_by, moment_of(hold_until), order.currency]
            refunds[refund_id] = made_of(Refund, (*REFUND, "currency"), values)
            parts[refund_id] = []
        if part[0] is not None:
            part[2] = quantize_money(part[2])
            parts[refund_id].append(made_of(RefundPart, PART, part))
    for refund_id, refund in refunds.items():
        keep(refund, "parts", sorted(parts[refund_id], key=lambda part: part.pk))
    return list(refunds.values())
