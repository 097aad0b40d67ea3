"""Histories against their own chains of digests, and against the credits they name.

Entries are the most numerous rows of all. PostgreSQL works out the digests itself, and only the histories that it
cannot confirm are read. They are read as text, and nearly every digest is worked out from it as it stands; only where
that does not give the digest that is stored, the facts are taken apart and put in order first.
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
from django.db import connection
from django.db.models import Q, TextField
from django.db.models.functions import Cast

from registration.models import Credit, HistoryEntry, Order
from registration.services.key_ranges import between

ENCODER = DjangoJSONEncoder(sort_keys=True)
CREDIT_NUMBER = re.compile(r"CR-(\d+)")
CHUNK = 2_000
DIGEST = """encode(sha256(convert_to(
    '["' || previous || '", ' || order_id || ', ' || "position" || ', ' || to_json(kind) || ', ' || {facts} || ', '
    || COALESCE(actor_id::text, 'null') || ', ' || COALESCE(refund_id::text, 'null') || ', "'
    || to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS'
        || CASE WHEN created_at = date_trunc('second', created_at) THEN '' ELSE '.US' END)
    || '+00:00"]', 'UTF8')), 'hex')"""
IN_ORDER = """CASE WHEN jsonb_typeof(facts) = 'object' THEN (
    SELECT '{' || COALESCE(string_agg(to_json(key) || ': ' || value, ', ' ORDER BY key COLLATE "C"), '') || '}'
    FROM jsonb_each(facts)
) END"""
UNPROVEN = """
    SELECT order_id FROM (
        SELECT *, COALESCE(lag(digest) OVER chain, '') AS previous, row_number() OVER chain AS place
        FROM registration_historyentry WHERE order_id BETWEEN %(low)s AND %(high)s
        WINDOW chain AS (PARTITION BY order_id ORDER BY "position")
    ) AS entry
    WHERE "position" <> place
    OR (digest <> {as_it_stands} AND digest IS DISTINCT FROM {in_order})
    OR CASE WHEN facts ->> 'credit' ~ '^CR-[0-9]{{1,18}}$'
        THEN (SELECT id FROM registration_credit WHERE id = substr(facts ->> 'credit', 4)::bigint) IS NULL
        ELSE facts ->> 'credit' IS NOT NULL END
    UNION
    SELECT o.id FROM registration_order AS o LEFT JOIN (
        SELECT order_id, MAX("position") AS last FROM registration_historyentry
        WHERE order_id BETWEEN %(low)s AND %(high)s GROUP BY order_id
    ) AS ends ON ends.order_id = o.id
    WHERE o.id BETWEEN %(low)s AND %(high)s AND o.history_length > COALESCE(ends.last, 0)
""".format(as_it_stands=DIGEST.format(facts="facts"), in_order=DIGEST.format(facts=IN_ORDER))  # noqa: S608
"""Keys of the orders whose histories PostgreSQL does not find whole. It orders the keys of facts in its own way, so
they are tried as they stand and by name; what JSON spells in escapes is left to Python."""


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
    chosen = _unproven(low, high) if connection.vendor == "postgresql" else None
    if chosen is None:
        yield from _read(Q(**between("order_id", (low, high))), Q(**between("pk", (low, high))))
    elif chosen:
        yield from _read(Q(order_id__in=chosen), Q(pk__in=chosen))


def _unproven(low: int, high: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(UNPROVEN, {"low": low, "high": high})
        return [key for (key,) in cursor.fetchall()]


def _read(entries: Q, orders: Q) -> Iterator[tuple[str, str]]:
    """The same for the histories of some orders, entry by entry."""
    order_id, position, digest = 0, 0, ""
    credits: dict[int, int] = {}
    last: dict[int, int] = {}
    for entry in _entries(entries):
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
    yield from cut_short(orders, last)
    yield from gone(credits)


def _entries(chosen: Q) -> Iterator[Entry]:
    entries = HistoryEntry.objects.filter(chosen).order_by("order_id", "position")
    text = {"facts_text": Cast("facts", TextField()), "moment": Cast("created_at", TextField())}
    columns = ("order_id", "position", "kind", "facts_text", "actor_id", "refund_id", "moment", "digest")
    return map(Entry._make, entries.annotate(**text).values_list(*columns).iterator(chunk_size=CHUNK))


def _order(key: int) -> str:
    reference = Order.objects.filter(pk=key).values_list("reference", flat=True).first()
    return f"order {reference or f'key {key}'}"


def cut_short(chosen: Q, last: dict[int, int]) -> Iterator[tuple[str, str]]:
    """Yield the histories that end before the last entry that was ever added; ``last`` is where each ends."""
    counted = Order.objects.filter(chosen, history_length__gt=0).order_by("pk")
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
