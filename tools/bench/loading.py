"""Puts many rows into a database as fast as it takes them.

Indexes are made when the rows are in, and triggers rest meanwhile: the season brings the balances they would have
kept, and ``verify_ledger`` proves that it did. What the product adds to its tables is found, not listed here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.core.management.color import no_style
from django.db import connection, transaction

from registration import triggers
from tools.bench.rows import Table

POSTGRESQL_INDEXES = """
    SELECT indexname, indexdef FROM pg_indexes
    WHERE schemaname = current_schema() AND tablename = ANY(%s)
    AND NOT EXISTS (SELECT FROM pg_constraint WHERE conname = indexname)
"""
SQLITE_INDEXES = """
    SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL AND sql NOT LIKE 'CREATE UNIQUE%%'
    AND tbl_name IN ({})
"""


@contextmanager
def bulk_load(tables: Sequence[Table]) -> Iterator[None]:
    """All of it or nothing: take indexes and triggers away, and put them back once the rows are in."""
    with transaction.atomic(), connection.cursor() as cursor:
        indexes = _indexes(cursor, [table.name for table in tables])
        for name in indexes:
            cursor.execute(f"DROP INDEX {connection.ops.quote_name(name)}")
        _rest_triggers(cursor)
        yield
        for statement in indexes.values():
            cursor.execute(statement)
        for statement in connection.ops.sequence_reset_sql(no_style(), [table.model for table in tables]):
            cursor.execute(statement)
        _wake_triggers(cursor)


def write(table: Table) -> None:
    """Write the rows that a table has gathered."""
    rows = table.take()
    if not rows:
        return
    columns = ", ".join(connection.ops.quote_name(column) for column, _default in table.columns)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table.name} ({columns}) FROM STDIN") as copy:
                copy.write(_copy_text(rows))
        else:
            marks = ", ".join(["%s"] * len(table.columns))
            cursor.executemany(f"INSERT INTO {table.name} ({columns}) VALUES ({marks})", rows)


def _copy_text(rows: list[list[Any]]) -> str:
    """Rows as PostgreSQL reads them; no value of a season holds a tab or a line break."""
    lines = ("\t".join(["\0" if value is None else str(value) for value in row]) for row in rows)
    return ("\n".join(lines) + "\n").replace("\\", "\\\\").replace("\0", "\\N")


def _indexes(cursor: Any, tables: list[str]) -> dict[str, str]:
    """Name and statement of each index that no constraint needs."""
    if connection.vendor == "postgresql":
        cursor.execute(POSTGRESQL_INDEXES, [tables])
    else:
        cursor.execute(SQLITE_INDEXES.format(", ".join(["%s"] * len(tables))), tables)
    return dict(cursor.fetchall())


def _rest_triggers(cursor: Any) -> None:
    if connection.vendor == "postgresql":
        cursor.execute("SET session_replication_role = replica")
    else:
        triggers.drop(connection)


def _wake_triggers(cursor: Any) -> None:
    if connection.vendor == "postgresql":
        cursor.execute("SET session_replication_role = DEFAULT")
    else:
        triggers.install(connection)
