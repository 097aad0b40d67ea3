"""Finds orders, and what belongs to them, by their words, at a cost that does not grow with the number of orders.

What few orders have is looked up in an index of words, once, and their keys are what everything else is asked with.
What many have is looked for along the list: a page of them is soon together, and the index would first bring all. Which
of the two it is, a small sample says beforehand, in the same statement. Both ways find the same orders.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from operator import and_, or_
from typing import Any

from django.db import connection
from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet, Value
from django.db.models.functions import StrIndex
from django.db.models.lookups import GreaterThan

from registration.asked import Asked, Token, read_search, words_of
from registration.models import Conference, Payment, RefundPart
from registration.search import INDEXED_LETTERS, INDEXED_SIGNS

Spellings = tuple[str, ...]
DIGIT = re.compile("[0-9]")
COMMON = 1024
"""From how many orders on a search counts as common."""
SAMPLES = {4096: 8, 64: 16}
"""PostgreSQL's samples hold one order in so many, and what so many of them have is common. The smaller one comes first,
so that what nearly all have costs nothing; their indexes in ``triggers/postgresql.sql`` say the same."""
MOST_BY_ID = 1000
"""Ids at Stripe that begin alike are looked up one by one up to this many."""
INDEXED = "registration_word_beginnings(search_text, conference_id) @@ {query}::tsquery"
SAMPLE = (
    "(SELECT COUNT(*) FROM (SELECT 1 FROM registration_order WHERE id %% {one_in} = 0 AND {has} LIMIT {enough})"
    " AS sampled)"
)
FOUND = "SELECT ARRAY(SELECT id FROM registration_order WHERE {has} LIMIT {most}) WHERE {few}"
FOUND_BY_SQLITE = "SELECT rowid FROM registration_ordersearch WHERE words MATCH %s LIMIT {most}"


class AmongKeys(Func):
    """Whether a row, or the order it leads to, is one of these."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, keys: Any, column: str = "pk") -> None:
        """Take keys, or what was made of them before."""
        super().__init__(F(column), keys if hasattr(keys, "resolve_expression") else Value(json.dumps(keys)))

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """As an array that the planner cannot read, or it might walk the list for them."""
        keys = "SELECT CAST(value AS bigint) FROM json_array_elements_text("
        return super().as_sql(
            compiler, connection, template="%(expressions)s::json)))", arg_joiner=f" = ANY(ARRAY({keys}", **context
        )

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """As a list, because the number of parameters has a limit."""
        joiner = " IN (SELECT value FROM json_each("
        return super().as_sql(compiler, connection, template="%(expressions)s))", arg_joiner=joiner, **context)


class Led(Func):
    """Whether one of some rows leads to an order, for rows too many to list their orders' keys."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, keys: tuple[str, tuple[Any, ...]], *, are_gathered: bool) -> None:
        """Take a statement for the orders' keys, which it calls ``wanted``, with its parameters.

        Args:
            keys: The statement.
            are_gathered: Whether to read all of these rows first and look each order up among them, as long as they
                are not very many. Else each order is asked for its own, and of what many have a page is soon full.
        """
        super().__init__(F("pk"))
        self._keys, self._are_gathered = keys, are_gathered

    def as_sql(self, compiler: Any, connection: Any, **_context: Any) -> Any:  # type: ignore[override]
        """Say it so that the planner does what was chosen: a bare IN it would turn into the other."""
        order, own = compiler.compile(self.source_expressions[0])
        sql, values = self._keys
        if self._are_gathered:
            return f"(({order} IN ({sql})) IS TRUE)", (*own, *values)
        return f"EXISTS(SELECT 1 FROM ({sql}) AS led WHERE led.wanted = {order})", (*values, *own)  # noqa: S608


@dataclass(frozen=True)
class Search:
    """What was asked for, understood for one conference."""

    condition: Q
    is_common: bool = False
    """Whether so many orders are found that nobody should count them."""


def search(conference: Conference, text: str, path: str = "", own: str = "") -> Search:
    """Understand a search: every word must be the beginning of a word of the order, or of an id at Stripe.

    Beside a name a number may be what was paid as well, and beside the last four digits of a card a word its brand.

    Args:
        conference: Only its orders can be found.
        text: As typed. Without any word in it nothing is found.
        path: From the rows that are asked for to their order, as ``order__``; empty for orders themselves.
        own: Column of these rows with an amount of their own, which a number may mean as well.
    """
    asked = read_search(text)
    if not asked.ids and not asked.tokens:
        return Search(Q(pk__in=[]))
    condition, is_common = _with_words(conference, asked, path, own) if asked.tokens else (Q(), False)
    for token in asked.ids:
        has_id, is_vague = _at_stripe(token, path)
        condition &= has_id
        is_common = is_vague and (is_common or not asked.tokens)
    return Search(condition, is_common)


def _with_words(conference: Conference, asked: Asked, path: str, own: str) -> tuple[Q, bool]:
    """Orders with the words that were asked for, and whether they are too many to look up."""
    keys = found_by_words(conference, words_of(asked.leading))
    if keys is not None:
        condition = Q(AmongKeys(keys, f"{path}pk"))
        for token in asked.meaning:
            condition &= _compared(words_of([token]), path) | _meant(token, asked.last_fours, path, own)
        return condition, False
    # A name that very many have: only words lead on to few of them, and whose brand a card is they do not tell.
    every = words_of(token for token in asked.tokens if token in asked.leading or not token.brand)
    keys = found_by_words(conference, every) if asked.meaning else None
    by_words = _compared(every, path) if keys is None else Q(AmongKeys(keys, f"{path}pk"))
    amounts = [_between(own, token) for token in asked.meaning if own and token.amounts]
    if not amounts:
        return by_words, keys is None
    # Few of these rows are of that amount, so the list is asked for them.
    return by_words | reduce(and_, amounts, _compared(words_of(asked.leading), path)), True


def _meant(token: Token, last_fours: Sequence[str], path: str, own: str) -> Q:
    """What else than its words a token may mean: an amount, or the brand of a card with these last digits."""
    if token.amounts:
        columns = (f"{path}total", f"{path}paid_amount", own)
        return reduce(or_, (_between(column, token) for column in columns if column))
    cards = Payment.objects.filter(card_brand=token.brand, card_last4__in=last_fours)
    return Q(Exists(cards.filter(order=OuterRef(f"{path}pk"))))


def _between(column: str, token: Token) -> Q:
    least, above = token.amounts or (Decimal(0), Decimal(0))
    return Q(**{f"{column}__gte": least, f"{column}__lt": above})


def found_by_words(conference: Conference, asked: Sequence[Spellings]) -> list[int] | None:
    """Keys of the orders that have words with these beginnings; None where they are too many to look up.

    Args:
        conference: Whose orders.
        asked: For each word the ways to spell it, of which one is enough.
    """
    ask = _asked_of_sqlite if connection.vendor == "sqlite" else _asked_of_postgresql
    sql, values = ask(conference, asked)
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        rows = cursor.fetchall()
    if connection.vendor == "sqlite":
        keys = [key for (key,) in rows]
    elif rows:
        keys = rows[0][0]
    else:
        return None
    return keys if len(keys) <= COMMON else None


def _asked_of_sqlite(conference: Conference, asked: Sequence[Spellings]) -> tuple[str, list[Any]]:
    """All of them by one index. No word holds a quote: they part words."""
    each = ("(" + " OR ".join(f'"{word}"*' for word in spelled) + ")" for spelled in asked)
    query = " AND ".join([*each, f'"_{conference.pk}"'])
    return FOUND_BY_SQLITE.format(most=COMMON + 1), [query]


def _asked_of_postgresql(conference: Conference, asked: Sequence[Spellings]) -> tuple[str, list[Any]]:
    """Ask the index, unless the samples say that all words together are common.

    What many have is looked up only where all words are such: beside a rare one it would be read for nothing.
    """
    queries = [_indexed(conference, spelled) for spelled in asked]
    every, starts = " & ".join(queries), [f"% {word}%" for spelled in asked for word in spelled]
    alike = "".join(f" AND ({' OR '.join(['search_text LIKE %s'] * len(spelled))})" for spelled in asked)
    rare, values = "%s", []
    if len(asked) > 1:
        each = ", ".join([f"CASE WHEN {_few(INDEXED.format(query='%s'))} THEN %s END"] * len(asked))
        rare = f"COALESCE(NULLIF(concat_ws(' & ', {each}), ''), %s)"
        values = [query for query in queries for _place in range(len(SAMPLES) + 1)]
    has, few = INDEXED.format(query=f"({rare})") + alike, _few(INDEXED.format(query="%s") + alike)
    values += [every, *starts, *[every, *starts] * len(SAMPLES)]
    return FOUND.format(has=has, most=COMMON + 1, few=few), values


def _few(has: str) -> str:
    """Whether few orders of every sample have something; no sample is asked before a smaller one has answered."""
    condition = "TRUE"
    for one_in, enough in reversed(SAMPLES.items()):
        sample = SAMPLE.format(one_in=one_in, has=has, enough=enough)
        condition = f"CASE WHEN {sample} >= {enough} THEN FALSE ELSE {condition} END"
    return condition


def _indexed(conference: Conference, spelled: Spellings) -> str:
    """A word in the language of PostgreSQL's index. No word holds a quote: they part words."""
    return "(" + " | ".join(f"'{conference.pk}:{_indexed_part(word)}'" for word in spelled) + ")"


def _indexed_part(word: str) -> str:
    """As much of a word as PostgreSQL's index knows."""
    start = word[:INDEXED_LETTERS]
    digit = DIGIT.search(start)
    return start[: max(digit.start(), INDEXED_SIGNS)] if digit else start


def _compared(asked: Sequence[Spellings], path: str) -> Q:
    """Words looked for in the orders themselves; the longest first, for hardly any order has it."""
    condition = Q()
    for spelled in sorted(asked, key=lambda each: len(each[0]), reverse=True):
        # Twice as quick as LIKE, and it is asked of very many orders.
        places = (StrIndex(f"{path}search_text", Value(f" {word}")) for word in spelled)
        condition &= reduce(or_, (Q(GreaterThan(place, 0)) for place in places))
    return condition


def _at_stripe(token: str, path: str) -> tuple[Q, bool]:
    """Orders with an id at Stripe that begins so, and whether so many do that the list is asked instead of the ids."""
    owners: QuerySet[Any]
    if token.startswith(("re_", "pyr_")):
        owners, to_order = RefundPart.objects.filter(begins("stripe_refund_id", token)), "refund__order"
    else:
        column = "stripe_payment_intent_id" if token.startswith("pi_") else "stripe_charge_id"
        owners, to_order = Payment.objects.filter(begins(column, token)), "order"
    keys = list(owners.order_by().values_list(to_order, flat=True)[: MOST_BY_ID + 1])
    if len(keys) <= MOST_BY_ID:
        return Q(**{f"{path}pk__in": keys}), False
    return Q(Exists(owners.filter(**{to_order: OuterRef(f"{path}pk")}))), True


def begins(column: str, token: str) -> Q:
    """A beginning as an index of this database can look it up: SQLite's has no use for LIKE."""
    if connection.vendor == "sqlite":
        return Q(**{f"{column}__gte": token, f"{column}__lt": token + chr(0x10FFFF)})
    return Q(**{f"{column}__startswith": token})
