"""What a database needs now and then to stay quick, where it does not see to that itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection
from django.utils import timezone

EVERY = timedelta(hours=6)
ROWS_SEEN = 50_000
"""How many rows of an index are looked at, so that statistics take some 0.2 s whatever there is.

With fewer, a conference of 100,000 orders passes for a small one, and a page of refunds is put together from all.
"""

_taken: dict[str, datetime] = {}
"""By database, when this process last did."""


def take_statistics(_limit: int | None = None) -> bool:
    """Tell SQLite how many rows its indexes hold for a value, every few hours; PostgreSQL finds that out by itself.

    Without it SQLite takes a conference for a handful of orders, and reads all of them to find the few of a search.

    Returns:
        Whether it was due.
    """
    before, now = _taken.get(connection.alias), timezone.now()
    if connection.vendor != "sqlite" or (before is not None and now < before + EVERY):
        return False
    _taken[connection.alias] = now
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA analysis_limit = {ROWS_SEEN}")
        cursor.execute("ANALYZE")
    return True
