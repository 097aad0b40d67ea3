"""Django's ``flush``, which the append-only guards would refuse on SQLite."""

from __future__ import annotations

from typing import Any

from django.core.management.commands.flush import Command as DjangoFlush
from django.db import connections

from registration import triggers


class Command(DjangoFlush):
    """Lift the guards, empty the database, put them back."""

    def handle(self, **options: Any) -> None:
        """Empty every table as Django does."""
        connection = connections[options["database"]]
        triggers.drop(connection)
        try:
            super().handle(**options)
        finally:
            triggers.install(connection)
