"""Finds attendees by what they are called and by what their orders say of them. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from functools import reduce
from itertools import chain
from operator import or_
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery
from django.db.models.lookups import IsNull

from registration.models import Conference, Credit, Order
from registration.money import ZERO
from registration.order_search import search
from registration.search import BETWEEN_WORDS, MAX_WORDS, spellings
from registration.search import words as words_of
from registration.statement import attendees_of, available_to

FEWEST_LETTERS = 2
ORDERS_EACH = 4
"""How many orders per person are looked at, so that one person's many do not hide the others."""
NOT_CALLED = 2


def find_attendees(conference: Conference, text: str, limit: int) -> list[tuple[Any, Decimal]]:
    """Attendees whose name or email has words that begin like those of ``text``; at least two letters.

    Returns:
        Each with what they can spend now: those who are called so first, among them who holds credit, then by their
        surname before their first name, then by name. However many are called so, who holds credit is not cut off.
    """
    parts = BETWEEN_WORDS.split(text.replace("\0", " "))
    asked = [(part, *chain(*spellings(part))) for part in parts if part][:MAX_WORDS]
    if sum(len(part) for part, *_spelled in asked) < FEWEST_LETTERS:
        return []
    words = " ".join(part for part, *_spelled in asked)
    orders = Order.objects.filter(search(conference, words).condition, conference=conference).order_by()
    found = _holders(conference, asked, orders, limit)
    # What many have in common, as a mail domain, must not hide the few who are called so.
    found |= _keys(_named(attendees_of(conference), asked).filter(_surnamed(asked)), limit)
    found |= set(orders.values_list("user_id", flat=True)[: limit * ORDERS_EACH])
    # Bills may name a company, and whoever only holds a credit has none: then accounts are asked.
    if len(found) < limit:
        found |= _keys(_named(attendees_of(conference), asked), limit)
    people = list(get_user_model()._default_manager.all().filter(pk__in=found))
    held = available_to(people, conference) if people else {}
    people.sort(key=lambda user: (*_rank(user, asked, held), user.get_full_name().casefold(), user.pk))
    return [(user, held.get(user.pk, ZERO)) for user in people[:limit]]


def _holders(conference: Conference, asked: list[tuple[str, ...]], orders: QuerySet[Order], limit: int) -> set[int]:
    """Keys of those with something to spend: by their accounts, by surname first; and by their orders."""
    spendable = Credit.objects.spendable().filter(conference=conference).order_by()
    # Looked up person by person until there are enough; joined, a planner would gather everybody's credits first.
    one = Subquery(spendable.filter(user=OuterRef("pk")).values("pk")[:1])
    named = _named(get_user_model()._default_manager.all().filter(IsNull(one, False)), asked)
    found = _keys(named.filter(_surnamed(asked)), limit)
    if len(found) < limit:
        found |= _keys(named, limit)
    if len(found) < limit:
        holding = orders.filter(Exists(spendable.filter(user=OuterRef("user"))))
        found |= set(holding.values_list("user_id", flat=True)[: limit * ORDERS_EACH])
    return found


def _rank(user: Any, asked: Iterable[tuple[str, ...]], held: dict[int, Decimal]) -> tuple[bool, bool, int]:
    """Where somebody stands: who is called what was asked for, who holds credit, who by their surname."""
    called = _called(user, asked)
    return called == NOT_CALLED, user.pk not in held, called


def _called(user: Any, asked: Iterable[tuple[str, ...]]) -> int:
    """How somebody is called what was asked for: 0 by their surname, 1 by another name, 2 not at all."""
    wanted = tuple(word for _part, *spelled in asked for word in spelled)
    names = (user.last_name, user.first_name)
    begin_so = (rank for rank, name in enumerate(names) if any(w.startswith(wanted) for w in words_of(name)))
    return next(begin_so, NOT_CALLED)


def _named(people: QuerySet[Any], asked: list[tuple[str, ...]]) -> QuerySet[Any]:
    """Those with a first name, last name or email that begins with each word; indexes find them."""
    for spelled in asked:
        people = people.filter(
            reduce(or_, (_begins(column, spelled) for column in ("last_name", "first_name", "email")))
        )
    return people.order_by()


def _surnamed(asked: list[tuple[str, ...]]) -> Q:
    """Whether a last name begins with one of the words."""
    return reduce(or_, (_begins("last_name", spelled) for spelled in asked))


def _keys(people: QuerySet[Any], limit: int) -> set[int]:
    return set(people.values_list("pk", flat=True)[:limit])


def _begins(column: str, spelled: Iterable[str]) -> Q:
    """A name as it was typed, as it is folded, and however else it may be written."""
    return reduce(or_, (Q(**{f"{column}__istartswith": word}) for word in dict.fromkeys(spelled)))
