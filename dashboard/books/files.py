"""The books as files: each code beside its words, and beside each movement what it is called at Stripe and here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.utils import translation

from dashboard.lists.export import as_text, csv_lines
from registration.books import Account, Kind
from registration.models import Conference, Order
from registration.movement_lines import MovementLine, lines_between, lines_of
from registration.trial_balance import Line

TRIAL_COLUMNS = ("account", "opening", "debits", "credits", "closing", "currency", "name")
IDS = ("refund", "store_credit", "stripe_refund", "payment_intent", "charge", "reference")
MOVEMENT_COLUMNS = (
    *("moved", "what", "order", "debit", "credit", "amount", "currency"),
    *("movement", "debited", "credited"),
    *IDS,
    *("who", "reason", "approved_by"),
)
"""Codes stand first and never change; their words follow, in the reader's language."""


def trial_csv(lines: Iterable[Line], conference: Conference) -> Iterator[str]:
    """Write what each account held and moved; amounts are plain."""
    currency = conference.currency
    rows = ((x.account.value, x.opening, x.debits, x.credits, x.closing, currency, str(x.account.label)) for x in lines)
    # The words are looked up while the request still has its reader's language.
    return csv_lines(TRIAL_COLUMNS, list(rows), conference.zone)


def movements_csv(conference: Conference, since: Any, until: Any) -> Iterator[str]:
    """Write one line for each movement of a period, kind by kind."""
    return _movements(lines_between(conference, since, until), conference)


def account_csv(order: Order) -> Iterator[str]:
    """Write one line for each movement of an order."""
    return _movements(lines_of(order), order.conference)


def _movements(lines: Iterable[MovementLine], conference: Conference) -> Iterator[str]:
    rows = _told(lines, conference.currency, translation.get_language())
    return csv_lines(MOVEMENT_COLUMNS, rows, conference.zone)


def _told(lines: Iterable[MovementLine], currency: str, language: str | None) -> Iterator[tuple[Any, ...]]:
    for line in lines:
        with translation.override(language):
            told = _row(line, currency)
        yield told


def _row(line: MovementLine, currency: str) -> tuple[Any, ...]:
    words = (Kind(line.kind).label, Account(line.debit).label, Account(line.credit).label)
    ids = (as_text(getattr(line, name)) for name in IDS)
    moved = (line.at, line.kind, as_text(line.order), line.debit, line.credit, line.amount, currency)
    return (*moved, *map(str, words), *ids, *map(as_text, (line.who, line.why, line.approved_by)))
