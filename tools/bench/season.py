"""A season of orders to measure on: the same for the same seed, with everything that happens to orders."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import connection

from registration.models import Conference, Credit, Membership, StripeEvent
from registration.services.upkeep import ROWS_SEEN
from tools.bench.books import Books
from tools.bench.loading import bulk_load, write
from tools.bench.moves import DAY, finish, issue, pay_card, pay_credit, price
from tools.bench.rows import moment
from tools.bench.sale import Event
from tools.bench.stories import STORIES

SEED = 20
BATCH = 5_000
RETURNS = 0.4
"""How often a buyer has bought before."""
REMEMBERED = 50_000
"""How many of them are kept in mind, so that memory stays the same."""
DAYS, UNTIL = 400, 60
"""How long orders are placed, and how long ago the last one was: what happens to it is past as well."""
LONG_REFERENCE = "ORD-LONGTALE"
STAFF = ("bench", "bench-support", "bench-finance")


@dataclass
class Season:
    """Where to find what the bench asks for."""

    staff: Any
    conference: Conference
    orders: int


def build(orders: int, *, now: datetime, progress: bool = False, long: int = 2_000) -> Season:
    """Fill an empty database with about as many orders.

    Args:
        orders: How many.
        now: When the season ends; everything else follows from the seed.
        progress: Whether to draw a bar.
        long: Entries of the longest history, a quarter of it credits of the busiest attendee.
    """
    conference = Conference.objects.create(name="Benchmark", slug="benchmark", currency="EUR")
    staff = [get_user_model()._default_manager.create_user(name) for name in STAFF]
    for member in staff:
        member.groups.add(Group.objects.get(name="Finance"))
        Membership.objects.create(user=member, conference=conference)
    books = Books(conference, [member.pk for member in staff], SEED)
    with bulk_load(books.tables):
        _fill(books, orders, int(now.timestamp()), Progress(orders if progress else 0), long)
    # What PostgreSQL's autovacuum does by itself sooner or later, and the worker for SQLite.
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"PRAGMA analysis_limit = {ROWS_SEEN}")
        cursor.execute("ANALYZE")
    return Season(staff[0], conference, orders)


def _fill(books: Books, orders: int, now: int, progress: Progress, long: int) -> None:
    stories, weights = list(STORIES), list(STORIES.values())
    first, start = books.orders.last, now - (DAYS + UNTIL) * DAY
    known = [books.meet(start)]
    while (done := books.orders.last - first) < orders:
        at = start + done * DAYS * DAY // orders
        if books.dice.random() < RETURNS:
            person = books.dice.choice(known)
        else:
            person = books.meet(at)
            if len(known) < REMEMBERED:
                known.append(person)
            else:
                known[books.dice.randrange(REMEMBERED)] = person
        books.dice.choices(stories, weights)[0](books, person, at)
        if done == orders // 2:
            _long_tales(books, at, long)
        if done % 10 == 0:
            _stripe_event(books, at)
        if len(books.orders.rows) >= BATCH:
            _write(books, progress, done)
    _write(books, progress, orders)


def _write(books: Books, progress: Progress, done: int) -> None:
    for table in books.tables:
        write(table)
    progress.show(done)


def _stripe_event(books: Books, at: int) -> None:
    failed = books.dice.random() < 0.001
    books.stripe_events.add(
        conference_id=books.conference.pk,
        event_id=books.stripe_id("evt"),
        type="refund.updated",
        payload=f'{{"data": {{"object": {{"id": "{books.stripe_id("re")}", "object": "refund"}}}}}}',
        state=StripeEvent.State.FAILED if failed else StripeEvent.State.PROCESSED,
        attempts=8 if failed else 1,
        last_error="Stripe did not answer." if failed else "",
        next_attempt_at=moment(at),
        received_at=moment(at),
        processed_at=None if failed else moment(at + 1),
    )


def _long_tales(books: Books, at: int, length: int) -> None:
    """One order with a long history, and one attendee with many credits and orders."""
    sale = books.sale(books.meet(at), at, price(books), reference=LONG_REFERENCE)
    pay_card(books, sale, sale.total)
    for number in range(length):
        said = {"note": f"Called again, number {number}."}
        sale.events.append(Event(at + 100 + number, "note_added", said, books.staff_ids[0]))
    finish(books, sale)
    for number in range(length // 4):
        then = at + number
        note = issue(books, sale.person, 5_000, then, Credit.Kind.GOODWILL)
        other = books.sale(sale.person, then + 10, 2_000)
        pay_credit(books, other, note, 2_000)
        finish(books, other, note)


class Progress:
    """A bar on standard error."""

    def __init__(self, total: int) -> None:
        self.total, self.start = total, monotonic()

    def show(self, done: int) -> None:
        """Draw how far it is; nothing when there is nothing to come."""
        if not self.total:
            return
        share = min(done / self.total, 1)
        bar = "#" * int(share * 30)
        text = f"\rBuilding {self.total:,} orders [{bar:<30}] {share:4.0%} {monotonic() - self.start:4.0f} s"
        print(text, end="" if share < 1 else "\n", file=sys.stderr, flush=True)
