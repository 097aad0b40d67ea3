"""The database keeps the balances: installs the triggers of ``sqlite.sql`` and ``postgresql.sql``.

Rows made in plain ways, in bulk or by hand must give right balances, and the database itself must refuse what is not
allowed; only triggers can promise both. They are made again after every ``migrate``, because SQLite loses them
whenever a migration rebuilds a table.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

HERE = Path(__file__).parent


def statements(vendor: str) -> list[str]:
    """The statements that make every trigger on a database of this vendor."""
    return [part.strip() for part in re.split(r"^-- next$", (HERE / f"{vendor}.sql").read_text(), flags=re.M)]


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


def before_migrate(using: str, **kwargs: Any) -> None:
    """Take the triggers away: SQLite cannot rebuild a table that one of them names."""
    drop(connections[using])


def after_migrate(using: str, **kwargs: Any) -> None:
    """Put them back."""
    install(connections[using])
