"""Rows on their way into tables: plain lists in the order of the columns, as every database can take them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django.db.models import Field, Max, Model


class Table:
    """The rows of one table that are not written yet; keys go on from the last one that is there."""

    def __init__(self, model: type[Model]) -> None:
        self.model = model
        self.name = model._meta.db_table
        fields = [field for field in model._meta.concrete_fields if not field.generated]
        self.columns = [(str(field.column), plain_default(field)) for field in fields]
        self.names = frozenset(column for column, _default in self.columns)
        self.rows: list[list[Any]] = []
        self.last: int = model._default_manager.aggregate(last=Max("pk"))["last"] or 0

    def next_key(self) -> int:
        """A key for a row that others name before it is complete."""
        self.last += 1
        return self.last

    def add(self, **given: Any) -> int:
        """Keep a row; columns that are not given take the field's default.

        Returns:
            Its key.
        """
        if "id" not in given:
            given["id"] = self.next_key()
        if not given.keys() <= self.names:
            raise TypeError(f"{self.name} has no column {given.keys() - self.names}")
        self.rows.append([given.get(column, default) for column, default in self.columns])
        key: int = given["id"]
        return key

    def take(self) -> list[list[Any]]:
        """The rows so far; they are kept no longer."""
        rows, self.rows = self.rows, []
        return rows


def plain_default(field: Field[Any, Any]) -> Any:
    """A field's default as text, number or nothing. Moments and unique ids have none: a season brings its own."""
    if not field.has_default() or (callable(field.default) and field.default is not dict):
        return "" if field.empty_strings_allowed and not field.null else None
    value = field.get_default()
    if value is None or isinstance(value, str | int):
        return int(value) if isinstance(value, bool) else value
    return json.dumps(value) if isinstance(value, dict) else str(value)


def money(cents: int) -> str:
    """An amount in major units."""
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // 100}.{abs(cents) % 100:02d}"


def iso(at: int) -> str:
    """A moment in UTC as a digest spells it."""
    return datetime.fromtimestamp(at, UTC).isoformat()


def moment(at: int) -> str:
    """A moment in UTC as both databases take it."""
    return iso(at)[:19].replace("T", " ")
