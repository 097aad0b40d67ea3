"""Saves a ledger: every table in bulk, parents first, with the times that were made up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import models
from django.db.models import F

from dashboard.demo.ledger import Ledger
from registration.models import (
    Credit,
    CreditEntry,
    HistoryEntry,
    Note,
    OpenItem,
    Order,
    OrderLineItem,
    Payment,
    Refund,
    RefundLine,
    RefundPart,
)
from registration.services.history import next_entry

BATCH = 500
SUBJECTS = {RefundPart: "part", Refund: "refund", Payment: "payment", Credit: "credit", Order: "order"}


def save(ledger: Ledger) -> None:
    """Write all of it; the caller holds the transaction."""
    with own_times(Order, Payment, Refund, RefundPart, Credit, Note, OpenItem):
        _create(Order, ledger.orders)
        _create(OrderLineItem, ledger.lines)
        _create_refunds(ledger.refunds)
        _create(Credit, ledger.credits)
        _create(Payment, ledger.payments)
        _create(RefundPart, ledger.parts)
        _create(RefundLine, ledger.refund_lines)
        _create(CreditEntry, sorted(ledger.entries, key=lambda entry: entry.created_at))
        _create(Note, ledger.notes)
        _create(OpenItem, _items(ledger))
    _settle(ledger)
    _create(HistoryEntry, list(_history(ledger)))


@contextmanager
def own_times(*tables: type[models.Model]) -> Iterator[None]:
    """Let rows keep the times they carry instead of the present one."""
    fields: list[Any] = [field for table in tables for field in table._meta.fields]
    timed = [field for field in fields if isinstance(field, models.DateTimeField)]
    kept = [(field, field.auto_now, field.auto_now_add) for field in timed]
    try:
        for field, _now, _add in kept:
            field.auto_now = field.auto_now_add = False
        yield
    finally:
        for field, auto_now, auto_now_add in kept:
            field.auto_now, field.auto_now_add = auto_now, auto_now_add


def _create(table: type[Any], rows: Iterable[Any]) -> None:
    table._default_manager.bulk_create(rows, batch_size=BATCH)


def _create_refunds(refunds: list[Refund]) -> None:
    """In the order they were made, because staff read their numbers so; a second try needs the key of the first."""
    batch: list[Refund] = []
    for refund in sorted(refunds, key=lambda refund: refund.created_at):
        if refund.retry_of is not None:
            _create(Refund, batch)
            batch = []
        batch.append(refund)
    _create(Refund, batch)


def _items(ledger: Ledger) -> list[OpenItem]:
    for item, about in ledger.items:
        item.subject = about if isinstance(about, str) else f"{SUBJECTS[type(about)]}:{about.pk}"
    return [item for item, _about in ledger.items]


def _settle(ledger: Ledger) -> None:
    """Set what follows from sums, once the database has made them: the status of orders, payments and credits."""
    wanted: dict[str, list[int]] = defaultdict(list)
    for order in Order.objects.filter(refunded_amount__gt=0):
        wanted[order.settled_status].append(order.pk)
    for status, keys in wanted.items():
        Order.objects.filter(pk__in=keys).update(status=status)
    gone = Payment.objects.filter(status=Payment.Status.SUCCEEDED, amount__gt=0, refunded_amount__gte=F("amount"))
    gone.update(status=Payment.Status.REFUNDED)
    used_up = Credit.objects.filter(status=Credit.Status.AVAILABLE, remaining_amount__lte=0)
    used_up.update(status=Credit.Status.APPLIED)


def _history(ledger: Ledger) -> Iterator[HistoryEntry]:
    by_order: dict[int, list[Any]] = defaultdict(list)
    for event in ledger.events:
        by_order[event.order.pk].append(event)
    for key, events in by_order.items():
        last = None
        for event in sorted(events, key=lambda event: event.at):
            last = next_entry(
                last,
                order_id=key,
                kind=event.kind,
                actor_id=event.actor.pk if event.actor else None,
                refund_id=event.refund.pk if event.refund else None,
                facts={name: _fact(value) for name, value in event.facts.items()},
                at=event.at,
            )
            yield last


def _fact(value: Any) -> Any:
    """A row that staff quote by its number becomes that number."""
    return value.number if isinstance(value, Refund | Credit) else value
