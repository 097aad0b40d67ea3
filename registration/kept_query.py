"""A question that many requests ask, written once: the ORM takes longer to write it than the database to answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

from registration.json_rows import made_of

NOW = datetime(2000, 1, 1, tzinfo=UTC)
"""Stands in a question for the moment at which it is asked."""
WHO, WHERE, WHICH = -1_000_001, -1_000_002, -1_000_003
"""Stand in a question for keys: of a person, of a conference, of the row it is about. No row has such a key.

The last may stand for a reference as well."""
LARGEST_KEY = 2**63 - 1
ROWS = "the rows asked for"
"""Stands in a statement for what says which rows are wanted."""


class KeptQuery:
    """Columns of the rows that a queryset finds; what stands in it for keys and for now is put in at each use."""

    def __init__(self, queryset: QuerySet[Any], *names: str) -> None:
        """Have the ORM write it."""
        self._compiler = queryset.values_list(*names).query.get_compiler(connection=connection)
        self._sql, self._params = self._compiler.as_sql()
        self._converters = self._compiler.get_converters([column for column, *_rest in self._compiler.select])
        self._then = connection.ops.adapt_datetimefield_value(NOW)

    def ask(self, *, who: Any = None, where: Any = None, which: Any = None) -> list[Any]:
        """The rows, about these keys; none about one that no row can have."""
        if any(isinstance(key, int) and key > LARGEST_KEY for key in (who, where, which)):
            return []
        values = {WHO: who, WHERE: where, WHICH: which, str(WHICH): which, self._then: _now()}
        return self._run(self._sql, [values.get(value, value) for value in self._params])

    def _run(self, sql: str, params: Sequence[Any]) -> list[Any]:
        with connection.cursor() as cursor:
            cursor.execute(sql, params)
            rows = cursor.fetchall()
        return list(self._compiler.apply_converters(rows, self._converters)) if self._converters else rows


class KeptRows(KeptQuery):
    """The same for whole rows of a model, with the rows that some of its keys point at."""

    def __init__(self, queryset: QuerySet[Any], *related: str) -> None:
        """Have the ORM write it."""
        self._model, self._names = queryset.model, columns_of(queryset.model)
        models = {name: queryset.model._meta.get_field(name).related_model for name in related}
        self._related = [(name, model, columns_of(model)) for name, model in models.items()]
        beside = (f"{name}__{column}" for name, _model, columns in self._related for column in columns)
        super().__init__(queryset, *self._names, *beside)

    def rows(self, *, who: Any = None, where: Any = None, which: Any = None) -> list[Any]:
        """The rows as the ORM makes them."""
        return [self._made(iter(row)) for row in self.ask(who=who, where=where, which=which)]

    def _made(self, values: Iterator[Any]) -> Any:
        own = [*islice(values, len(self._names))]
        related = {name: made_or_none(model, columns, values) for name, model, columns in self._related}
        return made_of(self._model, self._names, own, **related)


def columns_of(model: type[Model]) -> tuple[str, ...]:
    """All columns of a model."""
    return tuple(field.attname for field in model._meta.concrete_fields)


def made_or_none(model: type[Any], columns: Sequence[str], values: Iterator[Any]) -> Any:
    """The row that a key points at from the next values, of which its own key is the first; None without one."""
    found = [*islice(values, len(columns))]
    return None if found[0] is None else made_of(model, columns, found)


class KeptListing(KeptQuery):
    """The same for rows that each use chooses with a queryset of its own."""

    def __init__(self, queryset: QuerySet[Any], *names: str) -> None:
        """Have the ORM write it; ``queryset`` is sorted, and says all but which rows are wanted."""
        super().__init__(queryset.filter(pk__in=RawSQL(ROWS, ())), *names)  # noqa: S611

    def among(self, wanted: QuerySet[Any]) -> list[Any]:
        """The columns of the rows that a queryset of the same model finds."""
        try:
            sql, params = wanted.values("pk").query.sql_with_params()
        except EmptyResultSet:
            # The ORM sees that nothing can match, and has no statement for it.
            return []
        now = _now()
        kept = [now if value == self._then else value for value in self._params]
        return self._run(self._sql.replace(ROWS, sql), [*kept, *params])


def _now() -> Any:
    return connection.ops.adapt_datetimefield_value(timezone.now())
