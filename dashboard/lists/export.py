"""Orders, the history of one and an attendee's ledger as files: some rows at a time, so that a million fit through."""

from __future__ import annotations

import csv
import logging
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from datetime import datetime, tzinfo
from decimal import Decimal
from io import StringIO
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from django.db import connection, transaction
from django.db.models import QuerySet, Sum
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from dashboard.credits.display import moved_by, movement_detail, movement_name
from registration.credit_ledger import Movement, movements_from_the_first
from registration.models import Conference, HistoryEntry, Order, RefundPart
from registration.models.refund import WITH_STRIPE
from registration.money import ZERO, quantize_money
from registration.sentences import Facts, person, sentence

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 1_000
FORMULA_STARTS = frozenset("=+-@\t\r\n＝＋－＠")
COLUMNS = {
    "reference": "reference",
    "status": "status",
    "name": "billing_name",
    "email": "billing_email",
    "company": "billing_company",
    "currency": "currency",
    "total": "total",
    "paid": "paid_amount",
    "refunded": "refunded_amount",
    "reserved": "reserved_amount",
    "refundable": "refundable_amount",
    "placed": "created_at",
}
IN_WORDS, ON_ITS_WAY = "state", "on_its_way"
"""The status as the screen says it, and what Stripe has not brought yet, which is not in ``refunded``; they stand last,
so that the other columns stay where they were."""
SEARCHED, HIDDEN = "q", "*"
HISTORY_COLUMNS = ("position", "when", "what", "who", "event", "amount", "currency", "refund", "note")
LEDGER_COLUMNS = ("when", "what", "detail", "who", "credit", "order", "amount", "balance", "currency", "kind")


def csv_of(orders: QuerySet[Order], zone: tzinfo) -> Generator[str, None, None]:
    """Write orders as CSV with a heading. Amounts are plain, in each row's currency; moments in ISO 8601, at ``zone``.

    Whoever stops reading ends the query: closing the iterator closes the cursor.
    """
    # A file is written after its request has ended, and the request's language and clock with it.
    words = {status: str(label) for status, label in Order.Status.choices}
    return _csv_of(orders, zone, words)


def _csv_of(orders: QuerySet[Order], zone: tzinfo, words: dict[str, str]) -> Generator[str, None, None]:
    rows = orders.prefetch_related(None).select_related(None).values_list("pk", *COLUMNS.values())
    yield "\N{BYTE ORDER MARK}" + _lines([(*COLUMNS, IN_WORDS, ON_ITS_WAY)])
    with as_they_are_read(), closing(_read(rows)) as found:
        while block := list(islice(found, ROWS_AT_ONCE)):
            moving = _on_their_way([row[0] for row in block])
            yield _lines([_cells(row, zone, words, moving.get(key, ZERO)) for key, *row in block])


def _on_their_way(orders: list[int]) -> dict[int, Decimal]:
    """What of some orders was accepted and has not arrived, by their keys; few have any."""
    moving = RefundPart.objects.filter(refund__order__in=orders, state__in=WITH_STRIPE)
    sums = moving.order_by().values_list("refund__order").annotate(Sum("amount"))
    return {order: quantize_money(amount) for order, amount in sums}


def history_csv(order: Order) -> Iterator[str]:
    """Write all that happened to an order, oldest first, in the sentences that its page shows."""
    return csv_lines(HISTORY_COLUMNS, _history_rows(order, translation.get_language()), order.conference.zone)


def _history_rows(order: Order, language: str | None) -> Iterator[tuple[Any, ...]]:
    entries = order.history.select_related("actor").prefetch_related("refund__parts").order_by("position")
    for entry in entries.iterator(chunk_size=ROWS_AT_ONCE):
        with translation.override(language), timezone.override(order.conference.zone):
            told = _told(entry)
        yield told


def _told(entry: HistoryEntry) -> tuple[Any, ...]:
    facts = Facts(entry)
    who = as_text(person(entry.actor)) if entry.actor else ""
    refund = entry.refund.number if entry.refund else ""
    what = as_text(sentence(entry))
    amount, currency, note = facts["amount"], facts["currency"], as_text(facts["note"])
    return (entry.position, entry.created_at, what, who, entry.kind, amount, currency, refund, note)


def ledger_csv(attendee: Any, conference: Conference) -> Iterator[str]:
    """Write every movement of an attendee's credit, oldest first, in the words of their page, with each balance."""
    return csv_lines(LEDGER_COLUMNS, _ledger_rows(attendee, conference, translation.get_language()), conference.zone)


def _ledger_rows(attendee: Any, conference: Conference, language: str | None) -> Iterator[tuple[Any, ...]]:
    for movement in movements_from_the_first(attendee, conference, ROWS_AT_ONCE):
        with translation.override(language), timezone.override(conference.zone):
            told = _moved(movement)
        yield told


def _moved(movement: Movement) -> tuple[Any, ...]:
    entry = movement.entry
    words = (movement_name(entry), movement_detail(entry), moved_by(entry))
    order = as_text(entry.order.reference) if entry.order else ""
    amounts = (entry.amount, movement.balance, entry.credit.currency)
    return (entry.created_at, *map(as_text, words), entry.credit.number, order, *amounts, entry.kind.lower())


def csv_lines(columns: Sequence[str], rows: Iterable[tuple[Any, ...]], zone: tzinfo) -> Iterator[str]:
    """Write rows of our own making as CSV with a heading, some at a time. Moments are in ISO 8601, at ``zone``."""
    yield "\N{BYTE ORDER MARK}" + _lines([columns])
    found = iter(rows)
    while block := [tuple(_written(value, zone) for value in row) for row in islice(found, ROWS_AT_ONCE)]:
        yield _lines(block)


def told_csv(
    columns: Sequence[str], rows: QuerySet[Any], told: Callable[[Any], tuple[Any, ...]], zone: tzinfo
) -> Iterator[str]:
    """Write rows of a table as CSV while they are read, each told in the reader's language."""
    return csv_lines(columns, _told_rows(rows, told, translation.get_language()), zone)


def _told_rows(
    rows: QuerySet[Any], told: Callable[[Any], tuple[Any, ...]], language: str | None
) -> Iterator[tuple[Any, ...]]:
    with as_they_are_read(), closing(_read(rows)) as found:
        for row in found:
            with translation.override(language):
                cells = told(row)
            yield cells


def _written(value: Any, zone: tzinfo) -> Any:
    if isinstance(value, datetime):
        return _moment(value, zone)
    return value.isoformat() if hasattr(value, "isoformat") else value


def _moment(moment: datetime, zone: tzinfo) -> str:
    """As the pages show it, with its distance from UTC: ``2027-03-04T08:31:00+01:00``."""
    return moment.astimezone(zone).isoformat(timespec="seconds")


def _read(rows: QuerySet[Any, Any]) -> Generator[Any, None, None]:
    yield from rows.iterator(chunk_size=ROWS_AT_ONCE)


def file_name(conference: Conference) -> str:
    """Name the file after its conference."""
    # Translators: part of a file's name.
    what = _("orders")
    return f"{conference.slug}-{what}.csv"


def history_file_name(order: Order) -> str:
    """Name the file after its order."""
    # Translators: part of a file's name.
    what = _("history")
    return f"{order.reference}-{what}.csv"


def ledger_file_name(attendee: Any, conference: Conference) -> str:
    """Name the file after the conference and the number of the attendee: a name may have letters that no file may."""
    # Translators: part of a file's name.
    what = _("credit")
    return f"{conference.slug}-{what}-{attendee.pk}.csv"


def csv_file(request: HttpRequest, lines: Iterator[str], name: str) -> StreamingHttpResponse:
    """Answer with a file that is written while it is sent, and leave a trace of who took it."""
    if request.method != "HEAD":
        who = request.user.get_username()
        logger.info("file_exported file=%s by=%s narrowed=%s", name, who, _narrowed(request) or "-")
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


def _narrowed(request: HttpRequest) -> str:
    """What the file was narrowed to, as its address says it; words that were searched for may name somebody."""
    asked = {
        key: HIDDEN if key == SEARCHED else value for key, value in request.GET.dict().items() if str(value).strip()
    }
    if request.method == "POST" and request.POST.get("all") != "1":
        asked["ticked"] = str(len(request.POST.getlist("order")))
    return urlencode(asked, safe=HIDDEN)


def as_they_are_read() -> AbstractContextManager[Any]:
    """What it takes to be given rows while the query still runs.

    Outside a transaction PostgreSQL would first put all of them aside. SQLite never does, and a transaction would lock
    everybody out until the file is read.
    """
    return transaction.atomic() if connection.vendor == "postgresql" else nullcontext()


def _lines(rows: Any) -> str:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _cells(row: Sequence[Any], zone: tzinfo, words: dict[str, str], moving: Decimal) -> tuple[Any, ...]:
    reference, status, *people, currency, total, paid, refunded, reserved, refundable, placed = row
    amounts = (currency, total, paid, refunded - moving, reserved, refundable)
    return (as_text(reference), status, *map(as_text, people), *amounts, _moment(placed, zone), words[status], moving)


def as_text(text: str) -> str:
    """Text from outside for a cell: a spreadsheet would run what begins like a formula."""
    return f"'{text}" if text[:1] in FORMULA_STARTS else text
