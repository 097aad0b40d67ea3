"""The rows of the orders list, always drawn from what the database says now: one question for a page of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from django.db.models import Exists, Model, OuterRef, QuerySet
from django.db.models.base import ModelState
from django_tables2.rows import BoundRow

from dashboard.tables import OrderTable
from registration.json_rows import JSONRows, moment_of, rows_of
from registration.models import Credit, OpenItem, Order, Payment, Refund, RefundPart
from registration.models.order import OrderQuerySet
from registration.money import quantize_money

SHOWN = (
    *("conference", "user", "status", "currency", "total", "billing_name", "billing_email", "reference"),
    *("hold_expires_at", "created_at", "paid_amount", "refunded_amount", "reserved_amount", "refundable_amount"),
    *("user__username", "user__first_name", "user__last_name", "user__email"),
)
PAYMENT = ("id", "method", "status", "currency", "refundable_amount", "livemode")
ITEM = ("id", "kind", "refund_id", "resolved_at")
REFUND = ("id", "amount", "state", "requested_by_id", "hold_until")
PART = ("id", "state", "amount", "channel", "checks")
IN_ORDER = OuterRef("pk")


def listed_orders() -> OrderQuerySet:
    """Orders with all that their rows show; ``with_details`` makes it readable."""
    credits = Credit.objects.spendable().filter(user=OuterRef("user"), conference=OuterRef("conference"))
    orders: OrderQuerySet = _orders_with_details().annotate(has_credit=Exists(credits.order_by()))
    return orders


@lru_cache(maxsize=1)
def _orders_with_details() -> OrderQuerySet:
    """The part of the question that is the same whenever it is asked: putting it together costs more than asking it."""
    orders: OrderQuerySet = (
        Order.objects.select_related("user")
        .only(*SHOWN)
        .annotate(
            listed_payments=JSONRows(Payment.objects.filter(order=IN_ORDER).order_by(), *PAYMENT, "dispute"),
            listed_items=JSONRows(OpenItem.objects.unresolved().filter(order=IN_ORDER).order_by(), *ITEM),
            listed_refunds=JSONRows(
                Refund.objects.filter(order=IN_ORDER).order_by(), *REFUND, *(f"parts__{name}" for name in PART)
            ),
        )
    )
    return orders


def page_of(cut: QuerySet[Order]) -> list[Order]:
    """The orders of a page that was cut by key, with their details, in the page's order.

    The details are asked for only once the page is known: a database that has to sort would fetch them for all.
    """
    ordering = cut.query.order_by
    return with_details(listed_orders().filter(pk__in=cut.values("pk")).order_by(*ordering))


def with_details(orders: Iterable[Any]) -> list[Order]:
    """Orders whose payments, open items and refunds can be read without asking again."""
    found = list(orders)
    for order in found:
        _keep(order, "payments", [_payment(order, row) for row in rows_of(order.listed_payments)])
        _keep(order, "open_items", [_row(OpenItem, ITEM, row) for row in rows_of(order.listed_items)])
        _keep(order, "refunds", _refunds(order, rows_of(order.listed_refunds)))
    return found


def row_for(order: Order, user: Any = None) -> BoundRow:
    """Read an order again and draw its row.

    Args:
        order: Only its key is trusted.
        user: Whose actions the row offers; without one it offers all, and the actions themselves decide.
    """
    return rows_for(Order.objects.filter(pk=order.pk), user)[0]


def rows_for(orders: QuerySet[Order], user: Any = None) -> list[BoundRow]:
    """Read orders again, in the order of their keys, and draw their rows."""
    of_conference = ("conference__stripe_secret_key", "conference__timezone")
    whole = listed_orders().select_related("user", "conference").only(*SHOWN, *of_conference)
    fresh = with_details(whole.filter(pk__in=orders.values("pk")).order_by("pk"))
    return list(OrderTable(fresh, user=user).rows)


def _payment(order: Order, row: list[Any]) -> Payment:
    *values, dispute = row
    payment: Payment = _row(Payment, PAYMENT, values)
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
            refunds[refund_id] = _row(Refund, (*REFUND, "currency"), values)
            parts[refund_id] = []
        if part[0] is not None:
            part[2] = quantize_money(part[2])
            parts[refund_id].append(_row(RefundPart, PART, part))
    for refund_id, refund in refunds.items():
        _keep(refund, "parts", parts[refund_id])
    return list(refunds.values())


def _row(model: type[Any], names: tuple[str, ...], values: list[Any]) -> Any:
    """As the ORM makes a row of which the other columns are deferred, without naming each of these."""
    row: Any = object.__new__(model)
    row.__dict__.update(zip(names, values, strict=True))
    row._state = ModelState()
    row._state.adding = False
    return row


def _keep(owner: Model, name: str, rows: list[Any]) -> None:
    """Put rows where ``owner.name.all()`` finds them, as a prefetch would, but without a query of its own."""
    model: Any = owner._meta.get_field(name).related_model
    cache: dict[str, Any] = owner.__dict__.setdefault("_prefetched_objects_cache", {})
    cache[name] = _kept(model, sorted(rows, key=lambda row: row.pk)) if rows else _nothing(model)


def _kept(model: type[Model], rows: list[Any]) -> QuerySet[Any]:
    kept: QuerySet[Any] = QuerySet(model)
    kept._result_cache = rows
    kept._prefetch_done = True  # type: ignore[attr-defined]
    return kept


@lru_cache(maxsize=16)
def _nothing(model: type[Model]) -> QuerySet[Any]:
    """Most orders of a page have no refund and no open item."""
    return _kept(model, [])
