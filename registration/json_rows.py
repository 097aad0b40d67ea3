"""Rows of another table as one value of a query, so that a page of rows and all they need is asked for at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, TypeVar

from django.db import connection
from django.db.models import DateTimeField, DecimalField, JSONField, Model, QuerySet, Subquery, TextField
from django.db.models.base import ModelState

from registration.money import quantize_money

M = TypeVar("M", bound=Model)

DECODE = json.JSONDecoder(parse_float=Decimal).decode
"""Made once: ``json.loads`` makes a decoder anew for each text that is to be read in a way of its own."""

ON_SQLITE = "(SELECT json_group_array(json_array({names})) FROM (%(subquery)s) AS listed)"
ON_POSTGRESQL = "(SELECT json_agg(json_build_array({names}))::text FROM (%(subquery)s) AS listed)"


class JSONRows(Subquery):
    """What a queryset finds for the outer row, as a JSON list of lists; ``rows_of`` reads it."""

    output_field = TextField()

    def __init__(self, queryset: QuerySet[Any], *names: str) -> None:
        """Name the columns each row brings, in this order."""
        super().__init__(queryset.values(*names))
        self.names = names

    def as_sql(self, compiler: Any, connection: Any, template: str | None = None, **context: Any) -> Any:
        """Wrap the subquery in the aggregate of the database."""
        names = ", ".join(connection.ops.quote_name(name) for name in self.names)
        wrapped = (ON_SQLITE if connection.vendor == "sqlite" else ON_POSTGRESQL).format(names=names)
        return super().as_sql(compiler, connection, template=template or wrapped, **context)


def rows_of(value: str | None) -> list[list[Any]]:
    """The rows of a ``JSONRows`` column; numbers with a point are ``Decimal``, as amounts must be."""
    rows: list[list[Any]] = DECODE(value) if value else []
    return rows


def moment_of(text: str | None) -> datetime | None:
    """A time as the database writes it into JSON; SQLite leaves out that it is UTC."""
    found = datetime.fromisoformat(text) if text else None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)


def model_of(model: type[M], names: Sequence[str], row: Sequence[Any]) -> M:
    """A row as the ORM makes one of which the columns that are not named are deferred."""
    fields = [model._meta.get_field(name) for name in names]
    return model.from_db(connection.alias, names, [_read(*each) for each in zip(fields, row, strict=True)])


def made_of(model: type[Any], names: Sequence[str], values: Sequence[Any], **related: Any) -> Any:
    """A row of values as its columns hold them, with the rows it points at; quicker than ``from_db``."""
    row: Any = object.__new__(model)
    row.__dict__.update(zip(names, values, strict=True))
    row._state = ModelState()
    row._state.adding = False
    row._state.fields_cache.update(related)
    return row


def _read(field: Any, value: Any) -> Any:
    """A value as it would have come from a column of its own."""
    if isinstance(field, JSONField):
        # SQLite puts a document into another as text.
        return json.loads(value) if isinstance(value, str) else value
    if isinstance(field, DateTimeField):
        return moment_of(value)
    if isinstance(field, DecimalField):
        return None if value is None else quantize_money(value)
    if hasattr(field, "from_db_value"):
        return field.from_db_value(value, None, connection)
    return field.to_python(value)


def fetched(owner: Model, name: str) -> Sequence[Any]:
    """The rows of a relation: ``owner.name.all()``, without making a manager and a queryset for rows at hand already.

    A page looks at the payments, refunds and open items of 25 orders some twenty times each.
    """
    kept = owner.__dict__.get("_prefetched_objects_cache", {}).get(name)
    rows: Sequence[Any] = getattr(owner, name).all() if kept is None else kept._result_cache
    return rows


def keep(owner: Model, name: str, rows: list[Any]) -> None:
    """Put rows where ``owner.name.all()`` finds them, in this order, as a prefetch would, but without a query."""
    model: Any = owner._meta.get_field(name).related_model
    cache: dict[str, Any] = owner.__dict__.setdefault("_prefetched_objects_cache", {})
    cache[name] = _kept(model, rows)


class KeptRelation(QuerySet[Any]):
    """Rows of a relation that were read already. What asks for more of them would be told about every owner's."""

    def _chain(self) -> Any:
        raise RuntimeError(f"{self.model.__name__} rows were read beforehand and cannot be asked for again.")


def _kept(model: type[Model], rows: list[Any]) -> QuerySet[Any]:
    """A queryset that was read already, made from an empty one: no rows of these will be asked for again."""
    kept: QuerySet[Any] = object.__new__(KeptRelation)
    kept.__dict__.update(_nothing(model).__dict__, _result_cache=rows)
    return kept


@lru_cache(maxsize=16)
def _nothing(model: type[Model]) -> QuerySet[Any]:
    """One that was read already and found nothing."""
    nothing: QuerySet[Any] = QuerySet(model)
    nothing._result_cache = []
    nothing._prefetch_done = True  # type: ignore[attr-defined]
    return nothing
