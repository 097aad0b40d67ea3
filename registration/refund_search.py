"""Finds refunds by what is quoted of them, and by what their orders are found by."""

from __future__ import annotations

import re
from functools import reduce
from operator import or_

from django.db.models import Q, QuerySet

from registration.models import Conference, RefundPart
from registration.order_search import Search, begins, search

NUMBER = re.compile(r"(RF-?)?0*([0-9]{1,15})", re.IGNORECASE)
STRIPE_REFUND = re.compile(r"(re|pyr)_\w+", re.ASCII)
FEWEST_OF_REFERENCE = 6
"""A shorter reference is only found whole: its beginning could be anything."""
MOST_BY_REFERENCE = 200


def search_refunds(conference: Conference, text: str) -> Search:
    """Understand a search: a refund's number, id at Stripe or reference, or words of its order, each by its beginning.

    Beside a name a number may be the refund's amount, or what its order cost or was paid.

    Args:
        conference: Only its refunds can be found.
        text: As typed. Plain digits are a number or the beginning of a word, as the last four of a card.
    """
    number = NUMBER.fullmatch(text)
    if number and number[1]:
        return Search(Q(pk=int(number[2])))
    if STRIPE_REFUND.fullmatch(text):
        return Search(Q(pk__in=RefundPart.objects.filter(stripe_refund_id=text).values("refund_id")))
    found = search(conference, text, "order__", own="amount")
    numbered = Q(pk=int(number[2])) if number else Q()
    referred = with_reference(text)
    return Search(found.condition | numbered | (Q(pk__in=referred) if referred else Q()), found.is_common)


def with_reference(text: str) -> list[int]:
    """Keys of refunds whose transfer was recorded with a reference that begins so, or which the bank traces by it."""
    typed = dict.fromkeys((text, text.upper()))
    parts = RefundPart.objects.filter(trace_reference__gt="").order_by()
    whole = parts.filter(trace_reference__in=typed)
    if len(text) < FEWEST_OF_REFERENCE:
        return _few(whole) or []
    beginning = reduce(or_, (begins("trace_reference", each) for each in typed))
    keys = _few(parts.filter(beginning))
    return keys if keys is not None else _few(whole) or []


def _few(parts: QuerySet[RefundPart]) -> list[int] | None:
    """Keys of their refunds, unless there are so many that nobody can have meant them."""
    keys = list(parts.values_list("refund_id", flat=True)[: MOST_BY_REFERENCE + 1])
    return keys if len(keys) <= MOST_BY_REFERENCE else None
