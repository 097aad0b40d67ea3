"""Proof that the books add up: everything the database keeps is worked out again from the rows and compared.

Reads only, in key order, a few queries for each chunk of orders or credits, so memory stays the same however long the
ledger is. The database adds up and compares; Python looks closer at what it could not confirm. A chunk that disagrees
is read a second time at one moment of the database before anything is reported, for a payment that arrives between two
reads is not a difference. Several chunks may be read at once, each by a connection of its own.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

from django.db import connection, transaction
from django.db.models import Model

from registration import triggers
from registration.models import Conference, Credit, Order
from registration.services.key_ranges import ranges
from registration.services.verification import books as verify_books
from registration.services.verification import credits as verify_credits
from registration.services.verification import history as verify_history
from registration.services.verification import orders as verify_orders
from registration.services.verification import words as verify_words

CHUNK = 10_000

Check = Callable[[int, int], Iterator[tuple[str, str]]]


class Finding(NamedTuple):
    """One thing that is off, and the row it is about."""

    row: str
    problem: str

    def __str__(self) -> str:
        """``order ORD-7F3K9: paid is 80.00, its payments say 100.00``."""
        return f"{self.row}: {self.problem}"


ORDER_CHECKS: tuple[Check, ...] = (verify_orders.check, verify_history.check, verify_words.check)


@dataclass
class Ledger:
    """One walk through the books; the counts are right once ``findings`` is exhausted.

    Attributes:
        chunk: How many orders or credits are read at a time.
        connections: How many such pieces are read at once. Within a transaction, whose rows only its own connection
            sees, it is always one.
    """

    chunk: int = CHUNK
    connections: int = 1
    orders: int = field(default=0, init=False)
    credits: int = field(default=0, init=False)

    def findings(self) -> Iterator[Finding]:
        """Yield what is off, row by row in key order."""
        yield from missing_triggers()
        for count, found in self._pieces(Order, ORDER_CHECKS):
            self.orders += count
            yield from found
        for count, found in self._pieces(Credit, (verify_credits.check,)):
            self.credits += count
            yield from found
        for low, high, _count in ranges(Conference, 1):
            yield from twice(verify_books.check, low, high)
        yield from (Finding(*found) for found in verify_credits.strays())
        yield from (Finding(*found) for found in verify_orders.strays())

    def _pieces(self, model: type[Model], checks: tuple[Check, ...]) -> Iterator[tuple[int, Iterable[Finding]]]:
        """Yield how many rows each piece has, and what is off in it, in the order of the keys."""
        pieces = ranges(model, self.chunk)
        if self.connections < 2 or connection.in_atomic_block:
            for low, high, count in pieces:
                yield count, chain.from_iterable(twice(check, low, high) for check in checks)
            return
        waiting: deque[tuple[int, Future[list[Finding]]]] = deque()
        with ThreadPoolExecutor(self.connections) as pool:
            for low, high, count in pieces:
                waiting.append((count, pool.submit(_apart, checks, low, high)))
                if len(waiting) > self.connections:
                    before, found = waiting.popleft()
                    yield before, found.result()
            yield from ((count, found.result()) for count, found in waiting)


def _apart(checks: tuple[Check, ...], low: int, high: int) -> list[Finding]:
    """What is off in a piece, read by this thread's own connection."""
    try:
        return list(chain.from_iterable(twice(check, low, high) for check in checks))
    finally:
        connection.close()


def twice(check: Check, low: int, high: int) -> Iterator[Finding]:
    """What a check finds in a chunk; a find is looked at again at one moment before it counts."""
    if next(check(low, high), None) is None:
        return
    with snapshot():
        found = [Finding(*pair) for pair in check(low, high)]
    yield from found


@contextmanager
def snapshot() -> Iterator[None]:
    """A transaction whose reads agree with one another."""
    outermost = not connection.in_atomic_block
    with transaction.atomic():
        if outermost and connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def missing_triggers() -> Iterator[Finding]:
    """Yield the triggers that should keep and guard the books, but are not there or are switched off."""
    present = installed()
    for name in expected_triggers():
        if name not in present:
            yield Finding(f"trigger {name}", "is missing; run migrate")


def expected_triggers() -> list[str]:
    """Names of the triggers that this kind of database is given."""
    return re.findall(r"^CREATE (?:OR REPLACE )?TRIGGER (\w+)", "\n".join(triggers.statements(connection.vendor)), re.M)


def installed() -> set[Any]:
    """Names of the triggers that are at work."""
    query = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
    if connection.vendor == "postgresql":
        query = "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')"
    with connection.cursor() as cursor:
        cursor.execute(query)
        return {name for (name,) in cursor.fetchall()}
