"""Histories against their own chains of digests, and against the credits they name."""

from __future__ import annotations

import re
from collections.abc import Iterator

from registration.models import Credit, HistoryEntry
from registration.services.key_ranges import between

CREDIT_NUMBER = re.compile(r"CR-(\d+)")


def check(low: int, high: int) -> Iterator[tuple[str, str]]:
    """Yield (row, problem) for the histories of the orders with keys from ``low`` to ``high``."""
    entries = HistoryEntry.objects.filter(**between("order_id", (low, high))).order_by("order_id", "position")
    order_id, position, digest = 0, 0, ""
    credits: dict[int, HistoryEntry] = {}
    for entry in entries.iterator(chunk_size=2_000):
        if entry.order_id != order_id:
            order_id, position, digest = entry.order_id, 0, ""
        if entry.position != position + 1:
            yield f"order {entry.order.reference}", f"entry {position + 1} is missing"
        elif entry.digest != entry.computed_digest(digest):
            yield f"order {entry.order.reference}", f"entry {entry.position} was changed after it was written"
        position, digest = entry.position, entry.digest
        if (key := credit_key(entry)) is not None:
            credits[key] = entry
    yield from gone(credits)


def credit_key(entry: HistoryEntry) -> int | None:
    """Key of the credit that an entry names."""
    number = entry.facts.get("credit") if isinstance(entry.facts, dict) else None
    match = CREDIT_NUMBER.fullmatch(number) if isinstance(number, str) else None
    return int(match[1]) if match else None


def gone(credits: dict[int, HistoryEntry]) -> Iterator[tuple[str, str]]:
    """Yield the credits that a history names and that are not there."""
    there = set(Credit.objects.filter(pk__in=credits).values_list("pk", flat=True))
    for key, entry in credits.items():
        if key not in there:
            yield f"credit CR-{key:04d}", f"is gone, the history of order {entry.order.reference} names it"
