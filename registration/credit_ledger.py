"""Every movement of credit, newest first, with what was there after it. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from itertools import islice
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Max, OuterRef, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from registration.json_rows import made_of
from registration.kept_query import WHERE, WHO, KeptQuery, made_or_none
from registration.models import Conference, Credit, CreditEntry, Order
from registration.money import ZERO, quantize_money

ENTRY = ("id", "kind", "amount", "reason", "created_at", "credit_id", "order_id", "actor_id")
CREDIT, ORDER, PERSON = ("id", "kind", "currency"), ("id", "reference"), ("id", "first_name", "last_name", "username")
"""What a line of a ledger says."""
NEWEST = (Coalesce("created_at", "created_at").desc(), "-pk")
"""Newest first, yet not along the index by day: that holds everybody's, and most attendees moved nothing for long."""


@dataclass(frozen=True)
class Movement:
    """One entry and what was there after it."""

    entry: CreditEntry
    balance: Decimal


def movements(credits: QuerySet[Credit]) -> list[Movement]:
    """Movements of these credits with the balance after each, newest first."""
    entries = CreditEntry.objects.filter(credit__in=credits.order_by())
    total = quantize_money(entries.aggregate(total=Sum("amount"))["total"])
    return _with_balances(_told(entries.order_by(*NEWEST)).ask(), total)


def ledger_of(attendee: Any, conference: Conference, total: Decimal, *, start: int, most: int) -> list[Movement]:
    """A page of an attendee's movements at a conference with the balance after each, newest first.

    Args:
        attendee: Whose credits moved.
        conference: Where.
        total: The sum of all movements.
        start: How many of the newest to leave out.
        most: How many to return.
    """
    if start:
        entries = CreditEntry.objects.filter(credit__user=attendee, credit__conference=conference)
        newer = entries.order_by(*NEWEST)[:start].aggregate(total=Sum("amount"))["total"]
        total = quantize_money(total - quantize_money(newer))
    rows = _ledger(connection.vendor, start, most).ask(who=attendee.pk, where=conference.pk)
    return _with_balances(rows, total)


def movements_from_the_first(attendee: Any, conference: Conference, rows_at_once: int) -> Iterator[Movement]:
    """All movements of an attendee at a conference with the balance after each, oldest first, some at a time.

    Args:
        attendee: Whose credits moved.
        conference: Where.
        rows_at_once: How many entries are held in memory.
    """
    entries = CreditEntry.objects.filter(credit__user=attendee, credit__conference=conference)
    told = entries.select_related("credit", "order", "actor").order_by("created_at", "pk")
    balance = ZERO
    for entry in told.iterator(chunk_size=rows_at_once):
        balance = quantize_money(balance + entry.amount)
        yield Movement(entry, balance)


@lru_cache(maxsize=8)
def _ledger(_vendor: str, start: int, most: int) -> KeptQuery:
    entries = CreditEntry.objects.filter(credit__user=WHO, credit__conference=WHERE).order_by(*NEWEST)
    return _told(entries[start : start + most])


def _told(entries: QuerySet[CreditEntry]) -> KeptQuery:
    """The question for what lines of a ledger say. They are cut before they are joined: only what is told is read."""
    told = CreditEntry.objects.filter(pk__in=entries.values("pk")).order_by("-created_at", "-pk")
    related = {"credit": CREDIT, "order": ORDER, "actor": PERSON}
    return KeptQuery(told, *ENTRY, *(f"{name}__{column}" for name, columns in related.items() for column in columns))


def _with_balances(rows: list[Any], balance: Decimal) -> list[Movement]:
    found = []
    for row in rows:
        entry = _entry(row)
        found.append(Movement(entry, balance))
        balance = quantize_money(balance - entry.amount)
    return found


def _entry(row: Sequence[Any]) -> CreditEntry:
    values = iter(row)
    entry: CreditEntry = made_of(
        CreditEntry,
        ENTRY,
        [*islice(values, len(ENTRY))],
        credit=made_or_none(Credit, CREDIT, values),
        order=made_or_none(Order, ORDER, values),
        actor=made_or_none(get_user_model(), PERSON, values),
    )
    return entry


def newest_entry_of(attendee_id: int, conference: Conference) -> int:
    """Key of the newest movement of an attendee's credit at a conference; 0 when nothing moved."""
    found = _newest_entry(connection.vendor).ask(who=attendee_id, where=conference.pk)
    return found[0][1] or 0 if found else 0


@lru_cache(maxsize=2)
def _newest_entry(_vendor: str) -> KeptQuery:
    # Credit by credit: asked over all of them together, the planner takes the whole table for what it has to read.
    newest = CreditEntry.objects.filter(credit=OuterRef("pk")).order_by().values("credit").annotate(key=Max("pk"))
    credits = (
        Credit.objects.filter(user=WHO, conference=WHERE).order_by().annotate(newest=Subquery(newest.values("key")))
    )
    return KeptQuery(credits.values("user").annotate(key=Max("newest")), "user", "key")
