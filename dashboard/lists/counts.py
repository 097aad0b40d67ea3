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
MORE, MANY, MOST_GATHERED = 0, 1, 4000
"""Up to so many rows that lead to orders are read before a list is walked for these; more are met soon on the way."""
GATHERED = {"sqlite": "json_group_array(wanted)", "postgresql": "json_agg(wanted)::text"}

Part = tuple[str, tuple[Any, ...]]
"""A value as SQL with its parameters. Only what the ORM wrote, and names of our own, are put together; all is bound."""


def ask(parts: Mapping[str, Part], source: Part | None = None) -> dict[str, Any]:
    """Fetch several values in one question; ``source`` is what they may be read from."""
    if not parts:
        return {}
    sql = f"SELECT {', '.join(sql for sql, _values in parts.values())}"
    values = [value for _sql, each in parts.values() for value in each]
    if source is not None:
        sql, values = f"{sql} FROM {source[0]}", [*values, *source[1]]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        row = cursor.fetchone()
    return dict(zip(parts, row, strict=True))


def capped_each(queryset: QuerySet[Any], conditions: Mapping[str, Part], columns: tuple[str, ...]) -> dict[str, Part]:
    """How many of what a queryset finds meet each condition, at most one above the cap.

    Right where an index leads to each of them; the conditions name columns, as ``found.status``.
    """
    sql, params = queryset.order_by().values("pk", *columns).query.sql_with_params()
    return {
        name: (
            f"(SELECT COUNT(*) FROM (SELECT 1 FROM ({sql}) AS found WHERE {condition}"  # noqa: S608
            f" LIMIT {COUNT_CAP + 1}) AS counted)",
            (*params, *values),
        )
        for name, (condition, values) in conditions.items()
    }


def counted_together(
    queryset: QuerySet[Any], conditions: Mapping[str, Part], columns: tuple[str, ...], *, whole: str, are_few: bool
) -> tuple[dict[str, Part], Part]:
    """The same out of all that a queryset finds, read once, where that is no more than the cap.

    Args:
        queryset: What is found.
        conditions: By name; they count nothing where more than the cap is found.
        columns: What the conditions name.
        whole: The name for the count of everything found, at most one above the cap.
        are_few: Whether hardly more than the cap can be found. Else that is asked first: an index often tells it
            without the rows.

    Returns:
        The counts, and what they are to be read from.
    """
    try:
        sql, params = queryset.values("pk", *columns)[: COUNT_CAP + 1].query.sql_with_params()
        keys, values = queryset.values("pk")[: COUNT_CAP + 1].query.sql_with_params()
    except EmptyResultSet:
        # The ORM sees that nothing can match, and has no statement for it.
        return dict.fromkeys((whole, *conditions), ("0", ())), ("(SELECT 1) AS found", ())
    counts = {
        name: (f"COALESCE(SUM(CASE WHEN {condition} THEN 1 ELSE 0 END), 0)", each)
        for name, (condition, each) in conditions.items()
    }
    if are_few:
        return {whole: ("COUNT(*)", ()), **counts}, (f"({sql}) AS found", params)
    in_all = f"(SELECT COUNT(*) FROM ({keys}) AS counted)"  # noqa: S608
    counted: Part = (f"CASE WHEN COUNT(*) > 0 THEN COUNT(*) ELSE {in_all} END", values)
    # SQLite reads the rows before it asks whether it should, unless it is told how many it may read.
    condition = "LIMIT CASE WHEN {few} THEN {most} ELSE 0 END" if connection.vendor == "sqlite" else "WHERE {few}"
    condition = condition.format(few=f"{in_all} <= {COUNT_CAP}", most=COUNT_CAP + 1)
    unless_many = f"(SELECT * FROM ({sql}) AS each {condition}) AS found"  # noqa: S608
    return {whole: counted, **counts}, (unless_many, (*params, *values))


def values_unless_many(found: Part) -> Part:
    """All values of the one column, ``wanted``, of a statement, as the text of a JSON list.

    More than the cap are not listed: they are answered by ``MORE`` or, beyond what should be read, by ``MANY``.
    Counted first, because a thousand values for nothing take longer to fetch than a few are found twice.
    """
    sql, values = found
    listed = f"(SELECT COALESCE({GATHERED[connection.vendor]}, '[]') FROM ({sql}) AS few)"  # noqa: S608
    counted = f"(SELECT COUNT(*) AS found FROM ({sql} LIMIT {MOST_GATHERED + 1}) AS up_to) AS counted"  # noqa: S608
    cases = f"WHEN found <= {COUNT_CAP} THEN {listed} WHEN found <= {MOST_GATHERED} THEN '{MORE}' ELSE '{MANY}'"
    return f"(SELECT CASE {cases} END FROM {counted})", (*values, *values)  # noqa: S608


def newest(model: type[Model]) -> Part:
    """The largest key of a table; nothing when it is empty."""
    return f"(SELECT MAX(id) FROM {model._meta.db_table})", ()  # noqa: S608


def said(count: int | None) -> str:
    """A count in words: "1,284", or "over 1,000"; nothing for what was not counted."""
    if count is None:
        return ""
    if count > COUNT_CAP:
        return _("over %(count)s") % {"count": number_format(COUNT_CAP, force_grouping=True)}
    return str(number_format(count, force_grouping=True))
