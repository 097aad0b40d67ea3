"""Rows of another table as one value of a query, so that a page of rows and all they need is asked for at once."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet, Subquery, TextField

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
    rows: list[list[Any]] = json.loads(value, parse_float=Decimal) if value else []
    return rows
