"""Pages by key: each starts where the one before ended, so no page is slower than the first and none counts all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.core.exceptions import EmptyResultSet, ValidationError
from django.db import connection
from django.db.models import Model, Q, QuerySet

M = TypeVar("M", bound=Model)

PAGE_SIZE = 25
COUNT_CAP = 1000
"""Above this a list says "more than 1,000"."""


@dataclass(frozen=True)
class KeysetPage(Generic[M]):
    """The rows of one page and the keys of its neighbours, empty at the ends."""

    rows: list[M]
    before: str
    after: str


def keyset_page(
    queryset: QuerySet[M], field: str, *, descending: bool, after: str = "", before: str = ""
) -> KeysetPage[M]:
    """Cut one page out of a queryset, sorted by a column and then by key.

    Args:
        queryset: Filtered, in any order.
        field: A column that is never null.
        descending: Whether the largest comes first.
        after: The key of the last row before the page; a key that cannot be read means the first page.
        before: The key of the first row behind the page.
    """
    backwards = not after and bool(before)
    downwards = descending is not backwards
    key = _read(queryset, field, after or before)
    if key is not None:
        queryset = queryset.filter(_beyond(field, key, downwards))
    sign = "-" if downwards else ""
    found = list(queryset.order_by(f"{sign}{field}", f"{sign}pk")[: PAGE_SIZE + 1])
    more, rows = len(found) > PAGE_SIZE, found[:PAGE_SIZE]
    if backwards:
        rows.reverse()
    has_before, has_after = (more, key is not None) if backwards else (key is not None, more)
    return KeysetPage(
        rows=rows,
        before=_written(rows[0], field) if rows and has_before else "",
        after=_written(rows[-1], field) if rows and has_after else "",
    )


def capped_counts(querysets: Mapping[str, QuerySet[Any]]) -> dict[str, int]:
    """Count several querysets in one question, none further than one above the cap."""
    counts: list[str] = []
    values: list[Any] = []
    for queryset in querysets.values():
        try:
            sql, params = queryset.order_by().values("pk")[: COUNT_CAP + 1].query.sql_with_params()
        except EmptyResultSet:
            # The ORM sees that nothing can match, and has no statement for it.
            counts.append("0")
            continue
        # Only what the ORM wrote is put together here; every value is bound.
        counts.append(f"(SELECT COUNT(*) FROM ({sql}) AS found)")  # noqa: S608
        values.extend(params)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(counts)}", values)
        row = cursor.fetchone()
    return dict(zip(querysets, row, strict=True))


def _beyond(field: str, key: tuple[Any, int], downwards: bool) -> Q:
    value, pk = key
    step = "lt" if downwards else "gt"
    return Q(**{f"{field}__{step}e": value}) & (Q(**{f"{field}__{step}": value}) | Q(**{f"pk__{step}": pk}))


def _written(row: Model, field: str) -> str:
    value = getattr(row, field)
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return f"{text}~{row.pk}"


def _read(queryset: QuerySet[Any], field: str, token: str) -> tuple[Any, int] | None:
    text, _separator, pk = token.rpartition("~")
    if not pk.isdecimal():
        return None
    try:
        value = queryset.model._meta.get_field(field).clean(text, None)
    except ValidationError:
        return None
    is_vague = isinstance(value, datetime) and value.tzinfo is None
    return None if is_vague else (value, int(pk))
