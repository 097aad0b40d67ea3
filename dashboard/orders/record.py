"""What the page of an order shows of other tables, asked for in one question, which is kept."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Exists, Model, OuterRef, Q, QuerySet, Sum

from registration.json_rows import JSONRows, keep, made_of, model_of, rows_of
from registration.kept_query import NOW, WHICH, WHO, KeptQuery, KeptRows, columns_of
from registration.models import (
    Credit,
    CreditEntry,
    HistoryEntry,
    OpenItem,
    Order,
    OrderLineItem,
    Payment,
    Refund,
    RefundLine,
    RefundPart,
)
from registration.money import quantize_money

OTHER_ORDERS = 5
HISTORY_PAGE = 30
"""A history may grow long; its page does not."""
PERSON = ("id", "first_name", "last_name", "username")
CREDIT = ("id", "amount", "remaining_amount", "status", "currency")
IN_ORDER = OuterRef("pk")


@dataclass(frozen=True)
class Beside:
    """What an order's page shows beside its money.

    Attributes:
        lines: The line items.
        others: The attendee's newest other orders, as far as the user may see them.
        issued: Credits that this order was refunded to; those that only record a card refund are not spendable.
        credit_left: What the attendee could spend now at the conference, in its currency.
    """

    lines: list[OrderLineItem]
    others: list[Order]
    issued: list[Credit]
    credit_left: Decimal


def read_whole(order: Order, user: Any) -> Beside:
    """Read payments, refunds and open items into an order, and what stands beside them.

    However many credits and orders the attendee has, only those shown are read.
    """
    ((*texts, left),) = _record(connection.vendor).ask(which=order.pk, who=user.pk)
    payments, refunds, parts, refund_lines, items, lines, others, issued = (rows_of(text) for text in texts)
    keep(order, "payments", [_with_credit(_row(Payment, row, order=order)) for row in payments])
    keep(order, "open_items", [_row(OpenItem, row, order=order) for row in items])
    keep(order, "refunds", [_refund(order, row) for row in refunds])
    by_refund = {refund.pk: refund for refund in order.refunds.all()}
    _share_out("parts", by_refund, [_with_credit(_row(RefundPart, row)) for row in parts])
    _share_out("lines", by_refund, [_row(RefundLine, row) for row in refund_lines])
    ((_user, spendable),) = rows_of(left) or ((None, 0),)
    return Beside(
        lines=[_row(OrderLineItem, row, order=order) for row in lines],
        others=[made_of(Order, ("reference", "status"), row) for row in others],
        issued=[model_of(Credit, CREDIT, row) for row in issued],
        credit_left=quantize_money(spendable),
    )


def history_of(order: Order, before: int) -> list[HistoryEntry]:
    """A page of what happened and one entry more, newest first; ``before`` is the position it ends in front of."""
    if before:
        older = order.history.select_related("actor", "refund").filter(position__lt=before)
        return list(older.order_by("-position")[: HISTORY_PAGE + 1])
    entries: list[HistoryEntry] = _newest_history(connection.vendor).rows(which=order.pk)
    return entries


@lru_cache(maxsize=2)
def _newest_history(_vendor: str) -> KeptRows:
    entries = HistoryEntry.objects.filter(order=WHICH).order_by("-position")
    return KeptRows(entries[: HISTORY_PAGE + 1], "actor", "refund")


@lru_cache(maxsize=2)
def _record(_vendor: str) -> KeptQuery:
    own = Order.objects.filter(pk=WHICH).order_by()
    people = (f"{name}__{column}" for name in ("requested_by", "decided_by") for column in PERSON)
    record = own.annotate(
        payments_read=_all(Payment.objects.filter(order=IN_ORDER)),
        refunds_read=JSONRows(Refund.objects.filter(order=IN_ORDER), *columns_of(Refund), *people),
        parts_read=_all(RefundPart.objects.filter(refund__order=IN_ORDER)),
        refund_lines_read=_all(RefundLine.objects.filter(refund__order=IN_ORDER).order_by("pk")),
        items_read=_all(OpenItem.objects.unresolved().filter(order=IN_ORDER)),
        lines_read=_all(OrderLineItem.objects.filter(order=IN_ORDER).order_by("pk")),
        others_read=JSONRows(_others(), "reference", "status"),
        issued_read=JSONRows(_issued(), *CREDIT),
        left_read=JSONRows(_spendable(), "user", "left"),
    )
    return KeptQuery(record, *(name for name in record.query.annotations))


def _all(rows: QuerySet[Any]) -> JSONRows:
    return JSONRows(rows, *columns_of(rows.model))


def _others() -> QuerySet[Order]:
    visible: Any = Order.objects.visible_to(WHO).filter(user=OuterRef("user")).exclude(pk=WHICH)
    newest: QuerySet[Order] = visible.order_by("-created_at")[:OTHER_ORDERS]
    return newest


def _issued() -> QuerySet[Credit]:
    """Credits that were there to be spent; what only recorded a refund never was, also when it is void by now."""
    recorded = CreditEntry.objects.filter(credit=OuterRef("pk"), kind=CreditEntry.Kind.PAID_OUT)
    rows = Credit.objects.filter(source_order=IN_ORDER).exclude(status=Credit.Status.PAID_OUT)
    return rows.exclude(Q(status=Credit.Status.VOIDED) & Exists(recorded)).order_by("-pk")


def _spendable() -> QuerySet[Any, Any]:
    held = Credit.objects.spendable(at=NOW).filter(user=OuterRef("user"), conference=OuterRef("conference"))
    return held.order_by().values("user").annotate(left=Sum("remaining_amount"))


def _row(model: type[Model], row: list[Any], **related: Any) -> Any:
    read: Any = model_of(model, columns_of(model), row)
    read._state.fields_cache.update(related)
    return read


def _refund(order: Order, row: list[Any]) -> Refund:
    end = len(columns_of(Refund))
    refund: Refund = _row(Refund, row[:end], order=order)
    for name, values in (("requested_by", row[end : end + len(PERSON)]), ("decided_by", row[end + len(PERSON) :])):
        person = made_of(get_user_model(), PERSON, values) if values[0] is not None else None
        refund._state.fields_cache[name] = person
    return refund


def _with_credit(row: Any) -> Any:
    """A payment or a part with the credit it came from or went to, of which the page says the number."""
    row._state.fields_cache["credit"] = made_of(Credit, ("id",), (row.credit_id,)) if row.credit_id else None
    return row


def _share_out(name: str, refunds: dict[int, Refund], rows: list[Any]) -> None:
    """Give each refund its rows."""
    shares: dict[int, list[Any]] = {key: [] for key in refunds}
    for row in rows:
        row._state.fields_cache["refund"] = refunds[row.refund_id]
        shares[row.refund_id].append(row)
    for key, share in shares.items():
        keep(refunds[key], name, share)
