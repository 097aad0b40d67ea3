"""Histories against their own chains of digests, and against the credits they name.

Entries are the most numerous rows of all, so they are read as text and nearly every digest is worked out from it as
it stands. Only where that does not give the digest that is stored, the facts are taken apart and put in order first.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from django.core.serializers.json import DjangoJSONEncoder
from django.db.models import TextField
from django.db.models.functions import Cast

from registration.models import Credit, HistoryEntry, Order
from registration.services.key_ranges import between

ENCODER = DjangoJSONEncoder(sort_keys=True)
CREDIT_NUMBER = re.compile(r"CR-(\d+)")
CHUNK = 2_000


class Entry(NamedTuple):
    """An entry as the database spells it: what its digest is made of, and the digest. Rows are many, so no models."""

    order_id: int
    position: int
    kind: str
    facts: str
    actor_id: int | None
    refund_id: int | None
    created_at: str
    digest: str

    def follows(self, previous: str) -> bool:
        """Whether its digest is the one that ``HistoryEntry.computed_digest`` gives, worked out apart from it."""
        moment = f"{self.created_at.removesuffix('+00').replace(' ', 'T')}+00:00"
        if self.digest == self._digest(previous, self.facts, moment):
            return True
        facts = ENCODER.encode(json.loads(self.facts))
        return self.digest == self._digest(previous, facts, datetime.fromisoformat(moment).isoformat())

    def _digest(self, previous: str, facts: str, moment: str) -> str:
        actor = "null" if self.actor_id is None else self.actor_id
        refund = "null" if self.refund_id is None else self.refund_id
        head = f'["{previous}", {self.order_id}, {self.position}, {_quoted(self.kind)}'
        return sha256(f'{head}, {facts}, {actor}, {refund}, "{moment}"]'.encode()).hexdigest()


@lru_cache(maxsize=256)
def _quoted(kind: str) -> str:
    """A kind as JSON; there are few of them."""
    return json.dumps(kind)


def check(low: int, high: int) -> Iterator[tuple[str, str]]:
    """Yield (row, problem) for the histories of the orders with keys from ``low`` to ``high``."""
    order_id, position, digest = 0, 0, ""
    credits: dict[int, int] = {}
    last: dict[int, int] = {}
    for entry in _entries(low, high):
        if entry.order_id != order_id:
            order_id, position, digest = entry.order_id, 0, ""
        if entry.position != position + 1:
            yield _order(order_id), f"entry {position + 1} is missing"
        elif not entry.follows(digest):
            yield _order(order_id), f"entry {entry.position} was changed after it was written"
        position, digest = entry.position, entry.digest
        last[order_id] = position
        if (key := credit_key(entry.facts)) is not None:
            credits[key] = order_id
    yield from cut_short(low, high, last)
    yield from gone(credits)


def _entries(low: int, high: int) -> Iterator[Entry]:
    entries = HistoryEntry.objects.filter(**between("order_id", (low, high))).order_by("order_id", "position")
    text = {"facts_text": Cast("facts", TextField()), "moment": Cast("created_at", TextField())}
    columns = ("order_id", "position", "kind", "facts_text", "actor_id", "refund_id", "moment", "digest")
    return map(Entry._make, entries.annotate(**text).values_list(*columns).iterator(chunk_size=CHUNK))


def _order(key: int) -> str:
    reference = Order.objects.filter(pk=key).values_list("reference", flat=True).first()
    return f"order {reference or f'key {key}'}"


def cut_short(low: int, high: int, last: dict[int, int]) -> Iterator[tuple[str, str]]:
    """Yield the histories that end before the last entry that was ever added; ``last`` is where each ends."""
    counted = Order.objects.filter(**between("pk", (low, high)), history_length__gt=0).order_by("pk")
    for key, reference, length in counted.values_list("pk", "reference", "history_length"):
        for position in range(last.get(key, 0) + 1, length + 1):
            yield f"order {reference}", f"entry {position} is missing"


def credit_key(facts: str) -> int | None:
    """Key of the credit that an entry names, given its facts as JSON."""
    if '"credit"' not in facts:
        return None
    named = json.loads(facts)
    number = named.get("credit") if isinstance(named, dict) else None
    match = CREDIT_NUMBER.fullmatch(number) if isinstance(number, str) else None
    return int(match[1]) if match else None


def gone(credits: dict[int, int]) -> Iterator[tuple[str, str]]:
    """Yield the credits that a history names and that are not there; by key, with the key of that order."""
    there = set(Credit.objects.filter(pk__in=credits).values_list("pk", flat=True))
    for key, order_id in credits.items():
        if key not in there:
            yield f"credit CR-{key:04d}", f"is gone, the history of {_order(order_id)} names it"
