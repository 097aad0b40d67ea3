"""Pages by key: each starts where the one before ended, so no page is slower than the first and none counts all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import BigIntegerField, F, Lookup, Model, Q, QuerySet
from django.db.models.fields.tuple_lookups import TupleGreaterThan, TupleLessThan, TupleLookupMixin

M = TypeVar("M", bound=Model)

PAGE_SIZE = 25
LARGER_SIZES = (50, 100)


@dataclass(frozen=True)
class KeysetPage(Generic[M]):
    """The rows of one page and the keys of its neighbours, empty at the ends."""

    rows: list[M]
    before: str
    after: str
    was_found: bool = True
    """Whether the page is the one that was asked for; when its key cannot be read it is the first."""


def keyset_page(
    queryset: QuerySet[M],
    field: str,
    *,
    descending: bool,
    after: str = "",
    before: str = "",
    size: int = 0,
    is_often_alike: bool = False,
    fetch: Callable[[QuerySet[M]], list[M]] = list,
) -> KeysetPage[M]:
    """Cut one page out of a queryset, sorted by a column and then by key.

    Args:
        queryset: Filtered, in any order.
        field: A column that is never null.
        descending: Whether the largest comes first.
        after: The key of the last row before the page; a key that cannot be read means the first page.
        before: The key of the first row behind the page.
        size: The most rows; ``PAGE_SIZE`` when left out.
        is_often_alike: Whether very many rows have the same value in the column.
        fetch: Reads the rows of the page once it is cut out, in its order.
    """
    backwards = not after and bool(before)
    downwards = descending is not backwards
    key = _read(queryset, field, after or before)
    sign = "-" if downwards else ""
    ordered, size = queryset.order_by(f"{sign}{field}", f"{sign}pk"), size or PAGE_SIZE
    found: list[M] = []
    for each in _stretches(field, key, downwards, is_often_alike):
        if len(found) <= size:
            found += fetch(ordered.filter(each)[: size + 1 - len(found)])
    more, rows = len(found) > size, found[:size]
    if backwards:
        rows.reverse()
    has_before, has_after = (more, key is not None) if backwards else (key is not None, more)
    return KeysetPage(
        rows=rows,
        before=_written(rows[0], field) if rows and has_before else "",
        after=_written(rows[-1], field) if rows and has_after else "",
        was_found=key is not None or not (after or before),
    )


class _AsPair:
    """Compare as a pair on SQLite too, where the ORM spells it with OR: its index is then read from the start."""

    def as_sqlite(self, compiler: Any, connection: Any) -> Any:
        """What other databases are asked."""
        return super(TupleLookupMixin, self).as_sql(compiler, connection)  # type: ignore[misc]


class _Above(_AsPair, TupleGreaterThan):
    pass


class _Below(_AsPair, TupleLessThan):
    pass


def _stretches(field: str, key: tuple[Any, int] | None, downwards: bool, is_often_alike: bool) -> list[Any]:
    """What to read one after the other until the page is full.

    SQLite finds a pair along an index by its first half alone: of very many rows alike it would read half before it
    comes to the page. There the rows of the same value are a stretch of their own.
    """
    if key is None:
        return [Q()]
    if connection.vendor != "sqlite" or not is_often_alike:
        return [_beyond(field, key, downwards)]
    (value, pk), side = key, "lt" if downwards else "gt"
    return [Q(**{field: value, f"pk__{side}": pk}), Q(**{f"{field}__{side}": value})]


def _beyond(field: str, key: tuple[Any, int], downwards: bool) -> Lookup[Any]:
    """Beyond a row in the order of a column and the key, compared as a pair: an index then starts right there.

    Spelt with OR, a database would read all rows of the same value, which for a status is most of them.
    """
    compare = _Below if downwards else _Above
    return compare((F(field), F("pk")), key)


def _written(row: Model, field: str) -> str:
    value = getattr(row, field)
    text = value.isoformat() if hasattr(value, "isoformat") else str(value)
    return f"{text}~{row.pk}"


def _read(queryset: QuerySet[Any], field: str, token: str) -> tuple[Any, int] | None:
    text, _separator, pk = token.rpartition("~")
    if not pk.isdecimal() or int(pk) > BigIntegerField.MAX_BIGINT:
        return None
    try:
        value = queryset.model._meta.get_field(field).clean(text, None)
    except ValidationError:
        return None
    is_vague = isinstance(value, datetime) and value.tzinfo is None
    return None if is_vague else (value, int(pk))
