"""A question that many requests ask, written once: the ORM takes longer to write it than the database to answer."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

ROWS = "the rows asked for"
"""Stands in the statement for what says which rows are wanted."""


class KeptQuery:
    """Columns of some rows of a model; which rows, each use says with a queryset of its own."""

    NOW: ClassVar[datetime] = datetime(2000, 1, 1, tzinfo=UTC)
    """Stands in the question for the moment at which it is asked."""

    def __init__(self, queryset: QuerySet[Any], *names: str) -> None:
        """Have the ORM write it; ``queryset`` is sorted, and all it is asked about but the rows is in it."""
        asked = queryset.filter(pk__in=RawSQL(ROWS, ())).values_list(*names)  # noqa: S611
        self._compiler = asked.query.get_compiler(connection=connection)
        self._sql, self._params = self._compiler.as_sql()
        self._then = connection.ops.adapt_datetimefield_value(self.NOW)
        self._converters = self._compiler.get_converters([column for column, *_rest in self._compiler.select])

    def among(self, wanted: QuerySet[Any]) -> list[Any]:
        """The columns of the rows that a queryset of the same model finds."""
        try:
            sql, params = wanted.values("pk").query.sql_with_params()
        except EmptyResultSet:
            # The ORM sees that nothing can match, and has no statement for it.
            return []
        now = connection.ops.adapt_datetimefield_value(timezone.now())
        kept = [now if value == self._then else value for value in self._params]
        with connection.cursor() as cursor:
            cursor.execute(self._sql.replace(ROWS, sql), [*kept, *params])
            rows = cursor.fetchall()
        return list(self._compiler.apply_converters(rows, self._converters)) if self._converters else rows
