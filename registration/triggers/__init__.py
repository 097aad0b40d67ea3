"""The database keeps the balances: installs the triggers of ``sqlite.sql`` and ``postgresql.sql``.

Rows made in plain ways, in bulk or by hand must give right balances, and the database itself must refuse what is not
allowed; only triggers can promise both. They are made again after every ``migrate``, because SQLite loses them
whenever a migration rebuilds a table.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from registration.search import folding_tables, search_text_of

HERE = Path(__file__).parent


def statements(vendor: str) -> list[str]:
    """The statements that make every trigger on a database of this vendor."""
    text = (HERE / f"{vendor}.sql").read_text()
    if vendor == "postgresql":
        for name, piece in folding_tables().items():
            text = text.replace(f"{{{name}}}", piece)
    return [part.strip() for part in re.split(r"^-- next$", text, flags=re.M)]


def drop(connection: BaseDatabaseWrapper) -> None:
    """Drop every trigger; only SQLite needs it, PostgreSQL replaces them in place."""
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND (name LIKE 'kept!_%' ESCAPE '!' "
            "OR name LIKE 'guard!_%' ESCAPE '!')"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f'DROP TRIGGER "{name}"')


def install(connection: BaseDatabaseWrapper) -> None:
    """Make every trigger, replacing older ones."""
    if "registration_historyentry" not in connection.introspection.table_names():
        return  # Migrated backwards to nothing.
    drop(connection)
    with connection.cursor() as cursor:
        for statement in statements(connection.vendor):
            cursor.execute(statement)
        _index_accounts(connection, cursor)
        if connection.vendor == "sqlite":
            _index_words(cursor)


def _index_accounts(connection: BaseDatabaseWrapper, cursor: Any) -> None:
    """Let an account be found by the beginning of a name; its table is not ours to describe in a migration."""
    accounts, quote = get_user_model(), connection.ops.quote_name
    for name in ("first_name", "last_name", "email"):
        field: Any = accounts._meta.get_field(name)
        column, folded = quote(field.column), f"(UPPER({quote(field.column)}::text)) text_pattern_ops"
        key = f"{column} COLLATE NOCASE" if connection.vendor == "sqlite" else folded
        cursor.execute(f"CREATE INDEX IF NOT EXISTS account_by_{name} ON {quote(accounts._meta.db_table)} ({key})")


def _index_words(cursor: Any) -> None:
    """Fill SQLite's table of words where it holds other orders than there are, as after a load without triggers."""
    cursor.execute("SELECT (SELECT COUNT(*) FROM registration_order), (SELECT COUNT(*) FROM registration_ordersearch)")
    orders, indexed = cursor.fetchone()
    if orders != indexed:
        cursor.execute("DELETE FROM registration_ordersearch")
        cursor.execute(
            "INSERT INTO registration_ordersearch (rowid, words)"
            " SELECT id, search_text || ' _' || conference_id FROM registration_order"
        )


def teach_folding(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    """Lend SQLite our folding, which its triggers call; PostgreSQL has functions of its own."""
    if connection.vendor == "sqlite":
        connection.connection.create_function("registration_search_text", -1, search_text_of, deterministic=True)


def before_migrate(using: str, **kwargs: Any) -> None:
    """Take the triggers away: SQLite cannot rebuild a table that one of them names."""
    drop(connections[using])


def after_migrate(using: str, **kwargs: Any) -> None:
    """Put them back."""
    install(connections[using])
