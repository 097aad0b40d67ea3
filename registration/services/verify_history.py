"""Histories against their own chains of digests, and against the credits they name."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

from django.core.serializers.json import DjangoJSONEncoder

from registration.models import Credit, HistoryEntry, Order
from registration.services.key_ranges import between

COLUMNS = (
    "order_id",
    "position",
    "kind",
    "facts",
    "actor_id",
    "refund_id",
    "created_at",
    "digest",
    "order__reference",
)
ENCODER = DjangoJSONEncoder(sort_keys=True)
CREDIT_NUMBER = re.compile(r"CR-(\d+)")


class Entry(NamedTuple):
    """An entry as it is read: what its digest is made of, and who it belongs to. Rows are many, so no models."""

    order_id: int
    position: int
    kind: str
    facts: Any
    actor_id: int | None
    refund_id: int | None
    created_at: datetime
    digest: str
    reference: str

    def computed_digest(self, previous: str) -> str:
        """The digest that ``HistoryEntry.computed_digest`` gives, worked out apart from it."""
        *content, _digest, _reference = self
        content[6] = self.created_at.isoformat()
        return sha256(ENCODER.encode([previous, *content]).encode()).hexdigest()


def check(low: int, high: int) -> Iterator[tuple[str, str]]:
    """Yield (row, problem) for the histories of the orders with keys from ``low`` to ``high``."""
    entries = HistoryEntry.objects.filter(**between("order_id", (low, high))).order_by("order_id", "position")
    order_id, position, digest = 0, 0, ""
    credits: dict[int, str] = {}
    last: dict[int, int] = {}
    for entry in map(Entry._make, entries.values_list(*COLUMNS).iterator(chunk_size=2_000)):
        if entry.order_id != order_id:
            order_id, position, digest = entry.order_id, 0, ""
        if entry.position != position + 1:
            yield f"order {entry.reference}", f"entry {position + 1} is missing"
        elif entry.digest != entry.computed_digest(digest):
            yield f"order {entry.reference}", f"entry {entry.position} was changed after it was written"
        position, digest = entry.position, entry.digest
        last[order_id] = position
        if (key := credit_key(entry.facts)) is not None:
            credits[key] = entry.reference
    yield from cut_short(low, high, last)
    yield from gone(credits)


def cut_short(low: int, high: int, last: dict[int, int]) -> Iterator[tuple[str, str]]:
    """Yield the histories that end before the last entry that was ever added; ``last`` is where each ends."""
    counted = Order.objects.filter(**between("pk", (low, high)), history_length__gt=0).order_by("pk")
    for key, reference, length in counted.values_list("pk", "reference", "history_length"):
        for position in range(last.get(key, 0) + 1, length + 1):
            yield f"order {reference}", f"entry {position} is missing"


def credit_key(facts: Any) -> int | None:
    """Key of the credit that an entry names."""
    number = facts.get("credit") if isinstance(facts, dict) else None
    match = CREDIT_NUMBER.fullmatch(number) if isinstance(number, str) else None
    return int(match[1]) if match else None


def gone(credits: dict[int, str]) -> Iterator[tuple[str, str]]:
    """Yield the credits that a history names and that are not there."""
    there = set(Credit.objects.filter(pk__in=credits).values_list("pk", flat=True))
    for key, reference in credits.items():
        if key not in there:
            yield f"credit CR-{key:04d}", f"is gone, the history of order {reference} names it"
