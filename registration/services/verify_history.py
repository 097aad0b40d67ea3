"""Histories against their own chains of digests."""

from __future__ import annotations

from collections.abc import Iterator

from registration.models import HistoryEntry
from registration.services.key_ranges import between


def check(low: int, high: int) -> Iterator[tuple[str, str]]:
    """Yield (row, problem) for the histories of the orders with keys from ``low`` to ``high``."""
    entries = HistoryEntry.objects.filter(**between("order_id", (low, high))).order_by("order_id", "position")
    order_id, position, digest = 0, 0, ""
    for entry in entries.iterator(chunk_size=2_000):
        if entry.order_id != order_id:
            order_id, position, digest = entry.order_id, 0, ""
        if entry.position != position + 1:
            yield row(entry), f"entry {position + 1} is missing"
        elif entry.digest != entry.computed_digest(digest):
            yield row(entry), f"entry {entry.position} was changed after it was written"
        position, digest = entry.position, entry.digest


def row(entry: HistoryEntry) -> str:
    """The order a history belongs to, as staff know it."""
    return f"order {entry.order.reference}"
