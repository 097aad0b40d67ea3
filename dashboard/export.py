"""Orders as a file, a row at a time, so that a million of them fit through."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext as _

from registration.models import Order

CHUNK_SIZE = 2000
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
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


class _Line:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def csv_of(orders: QuerySet[Order]) -> Iterator[str]:
    """Write orders as CSV with a heading. Amounts are plain, in each row's currency; moments in ISO 8601."""
    writer: Any = csv.writer(_Line())
    yield "\N{BYTE ORDER MARK}" + writer.writerow(COLUMNS)
    rows = orders.prefetch_related(None).select_related(None).values_list(*COLUMNS.values())
    for row in rows.iterator(chunk_size=CHUNK_SIZE):
        yield writer.writerow(_cells(row))


def file_name(conference_slug: str) -> str:
    """Name the file after its conference."""
    return f"{conference_slug}-{_('orders')}.csv"


def _cells(row: Iterable[Any]) -> list[str]:
    return [_cell(value) for value in row]


def _cell(value: Any) -> str:
    if not isinstance(value, str):
        return str(value.isoformat() if hasattr(value, "isoformat") else value)
    # A spreadsheet would run what begins like a formula; names come from outside.
    return f"'{value}" if value.startswith(FORMULA_STARTS) else value
