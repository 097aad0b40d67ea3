"""Finds orders by the words they are kept under, at a cost that does not grow with the number of orders.

A word that many orders have is looked for where the list begins: a page of them is soon together, and an index of words
would first bring all. A word that few have is looked up in the index of words. Which of the two it is, a small sample
says beforehand. Both ways find the same orders.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import BooleanField, Exists, F, Func, OuterRef, Q, QuerySet, Value

from registration.models import Conference, Payment, RefundPart
from registration.search import INDEXED_LETTERS, MAX_WORDS, words

STRIPE_ID = re.compile(r"(pi|ch|py|re|pyr)_\w+", re.ASCII)
COMMON = 1536
"""About from how many orders on a search counts as common."""
EVERYWHERE = 100
"""A word that so many orders of the sample have narrows nothing, and is only compared."""
SAMPLED = 256
"""One order in so many is in PostgreSQL's sample; the index in ``triggers/postgresql.sql`` says the same."""
MOST_BY_ID = 1000
"""Ids at Stripe that begin alike are looked up one by one up to this many."""
SAMPLE = (
    "(SELECT COUNT(*) FROM (SELECT 1 FROM registration_order WHERE id %% {sampled} = 0"
    " AND registration_word_beginnings(search_text) @@ %s::tsquery AND conference_id = %s LIMIT {enough}) AS sample)"
)
CAPPED = "SELECT COUNT(*) FROM (SELECT 1 FROM registration_ordersearch WHERE words MATCH %s LIMIT {enough}) AS found"


class FoundByWords(Func):
    """Whether an order is among those that the index of words finds; they are looked up first, and once."""

    output_field = BooleanField()
    conditional = True

    def __init__(self, query: Any) -> None:
        """Take what ``_index_query`` wrote."""
        super().__init__(F("pk"), query if hasattr(query, "resolve_expression") else Value(query))

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """As an array, so that the planner neither guesses how many there are nor walks through all orders."""
        words = "SELECT id FROM registration_order WHERE registration_word_beginnings(search_text) @@ "
        joiner, template = f" = ANY(ARRAY({words}", "%(expressions)s::tsquery))"
        return super().as_sql(compiler, connection, template=template, arg_joiner=joiner, **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """As a list of keys from the table of words."""
        joiner = " IN (SELECT rowid FROM registration_ordersearch WHERE words MATCH "
        return super().as_sql(compiler, connection, template="%(expressions)s)", arg_joiner=joiner, **context)


@dataclass(frozen=True)
class Search:
    """What was asked for, understood for one conference."""

    condition: Q
    is_common: bool = False
    """Whether so many orders are found that nobody should count them."""


def search(conference: Conference, text: str) -> Search:
    """Understand a search: every word must be the beginning of a word of the order, or of an id at Stripe.

    Args:
        conference: Only its orders can be found.
        text: As typed. Without any word in it nothing is found.
    """
    tokens = text.split()[:MAX_WORDS]
    ids = [token for token in tokens if STRIPE_ID.fullmatch(token)]
    asked = [word for token in tokens if token not in ids for word in words(token)][:MAX_WORDS]
    if not ids and not asked:
        return Search(Q(pk__in=[]))
    condition, is_common = Q(), False
    if asked:
        looked_up = _narrowing(asked, conference)
        is_common = not looked_up
        condition &= Q(FoundByWords(_index_query(looked_up, conference))) if looked_up else Q()
        condition &= _among_all(_compared(asked, looked_up))
    for token in ids:
        has_id, is_vague = _at_stripe(token)
        condition &= has_id
        is_common = is_vague and (is_common or not asked)
    return Search(condition, is_common)


def _narrowing(asked: list[str], conference: Conference) -> list[str]:
    """The words to look up in the index; none when what is asked for is common."""
    if connection.vendor == "sqlite":
        return [] if _count(CAPPED.format(enough=COMMON), [_index_query(asked, conference)]) >= COMMON else asked
    enough = COMMON // SAMPLED
    queries = [(asked, enough), *(([word], EVERYWHERE) for word in asked if len(asked) > 1)]
    counts = ", ".join(SAMPLE.format(sampled=SAMPLED, enough=limit) for _words, limit in queries)
    values = [value for some, _limit in queries for value in (_index_query(some, conference), conference.pk)]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {counts}", values)
        together, *each = cursor.fetchone()
    if together >= enough:
        return []
    return [word for word, count in zip(asked, each, strict=False) if count < EVERYWHERE] or asked


def _count(statement: str, values: list[Any]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.fetchone()[0])


def _index_query(asked: list[str], conference: Conference) -> str:
    """Words in the language of the index. No word holds a quote: they part words."""
    if connection.vendor == "sqlite":
        return " ".join(f'"{word}"*' for word in asked) + f' "_{conference.pk}"'
    return " & ".join(f"'{word[:INDEXED_LETTERS]}'" for word in asked)


def _compared(asked: list[str], looked_up: list[str]) -> list[str]:
    """Words to compare in the orders: not looked up, or known to PostgreSQL's index by their first letters only."""
    is_whole = connection.vendor == "sqlite"
    return [word for word in asked if word not in looked_up or not (is_whole or len(word) <= INDEXED_LETTERS)]


def _among_all(asked: list[str]) -> Q:
    condition = Q()
    for word in asked:
        condition &= Q(search_text__contains=f" {word}")
    return condition


def _at_stripe(token: str) -> tuple[Q, bool]:
    """Orders with an id at Stripe that begins so, and whether so many do that the list is asked instead of the ids."""
    owners: QuerySet[Any]
    if token.startswith(("re_", "pyr_")):
        owners, to_order = RefundPart.objects.filter(_begins("stripe_refund_id", token)), "refund__order"
    else:
        column = "stripe_payment_intent_id" if token.startswith("pi_") else "stripe_charge_id"
        owners, to_order = Payment.objects.filter(_begins(column, token)), "order"
    keys = list(owners.order_by().values_list(to_order, flat=True)[: MOST_BY_ID + 1])
    if len(keys) <= MOST_BY_ID:
        return Q(pk__in=keys), False
    return Q(Exists(owners.filter(**{to_order: OuterRef("pk")}))), True


def _begins(column: str, token: str) -> Q:
    """A beginning as an index of this database can look it up: SQLite's has no use for LIKE."""
    if connection.vendor == "sqlite":
        return Q(**{f"{column}__gte": token, f"{column}__lt": token + chr(0x10FFFF)})
    return Q(**{f"{column}__startswith": token})
