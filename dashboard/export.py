"""Orders as a file, some rows at a time, so that a million of them fit through."""

from __future__ import annotations

import csv
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from io import StringIO
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from registration.models import Order

ROWS_AT_ONCE = 1_000
FORMULA_STARTS = frozenset("=+-@\t\r")
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


def csv_of(orders: QuerySet[Order]) -> Generator[str, None, None]:
    """Write orders as CSV with a heading. Amounts are plain, in each row's currency; moments in ISO 8601.

    Whoever stops reading ends the query: closing the iterator closes the cursor.
    """
    rows = orders.prefetch_related(None).select_related(None).values_list(*COLUMNS.values())
    yield "\N{BYTE ORDER MARK}" + _lines([COLUMNS])
    with _as_they_are_read(), closing(_read(rows)) as found:
        while block := [_cells(row) for row in islice(found, ROWS_AT_ONCE)]:
            yield _lines(block)


def csv_lines(columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> Iterator[str]:
    """Write rows of our own making as CSV with a heading, some at a time. Moments are written in ISO 8601."""
    yield "\N{BYTE ORDER MARK}" + _lines([columns])
    found = iter(rows)
    while block := [tuple(map(_written, row)) for row in islice(found, ROWS_AT_ONCE)]:
        yield _lines(block)


def _written(value: Any) -> Any:
    return value.isoformat() if hasattr(value, "isoformat") else value


def _read(rows: QuerySet[Any, Any]) -> Generator[Any, None, None]:
    yield from rows.iterator(chunk_size=ROWS_AT_ONCE)


def file_name(conference_slug: str) -> str:
    """Name the file after its conference."""
    return f"{conference_slug}-{_('orders')}.csv"


def _as_they_are_read() -> AbstractContextManager[Any]:
    """What it takes to be given rows while the query still runs.

    Outside a transaction PostgreSQL would first put all of them aside. SQLite never does, and a transaction would lock
    everybody out until the file is read.
    """
    return transaction.atomic() if connection.vendor == "postgresql" else nullcontext()


def _lines(rows: Any) -> str:
    text = StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _cells(row: tuple[Any, ...]) -> tuple[Any, ...]:
    reference, status, name, email, company, *amounts, placed = row
    return (_plain(reference), status, _plain(name), _plain(email), _plain(company), *amounts, placed.isoformat())


def _plain(text: str) -> str:
    # A spreadsheet would run what begins like a formula; names come from outside.
    return f"'{text}" if text[:1] in FORMULA_STARTS else text
