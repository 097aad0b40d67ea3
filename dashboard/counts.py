"""What a page counts, asked for in one question, and never further than it says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Model, QuerySet
from django.utils.formats import number_format
from django.utils.translation import gettext as _

COUNT_CAP = 1000
"""Above this a list says "more than 1,000"."""

Part = tuple[str, tuple[Any, ...]]
"""A value as SQL with its parameters. Only what the ORM wrote, and names of our own, are put together; all is bound."""


def ask(parts: Mapping[str, Part]) -> dict[str, Any]:
    """Fetch several values in one question."""
    if not parts:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(sql for sql, _values in parts.values())}",
            [value for _sql, values in parts.values() for value in values],
        )
        row = cursor.fetchone()
    return dict(zip(parts, row, strict=True))


def capped(queryset: QuerySet[Any]) -> Part:
    """How many a queryset finds, at most one above the cap."""
    return next(iter(capped_each(queryset, {"": ("", ())}).values()))


def capped_each(
    queryset: QuerySet[Any], conditions: Mapping[str, Part], columns: tuple[str, ...] = ()
) -> dict[str, Part]:
    """The same for parts of what a queryset finds: each condition names columns of it, as ``found.status``."""
    try:
        sql, params = queryset.order_by().values("pk", *columns).query.sql_with_params()
    except EmptyResultSet:
        # The ORM sees that nothing can match, and has no statement for it.
        return dict.fromkeys(conditions, ("0", ()))
    return {
        name: (
            f"(SELECT COUNT(*) FROM (SELECT 1 FROM ({sql}) AS found {condition} LIMIT {COUNT_CAP + 1}) AS counted)",  # noqa: S608
            (*params, *values),
        )
        for name, (condition, values) in conditions.items()
    }


def newest(model: type[Model]) -> Part:
    """The largest key of a table; nothing when it is empty."""
    return f"(SELECT MAX(id) FROM {model._meta.db_table})", ()  # noqa: S608


def said(count: int) -> str:
    """A count in words: "1,284", or "over 1,000"."""
    if count > COUNT_CAP:
        return _("over %(count)s") % {"count": number_format(COUNT_CAP, force_grouping=True)}
    return str(number_format(count, force_grouping=True))
