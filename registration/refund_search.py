"""Finds refunds by what is quoted of them, and by what their orders are found by."""

from __future__ import annotations

import re

from django.db.models import Q

from registration.models import Conference, RefundPart
from registration.order_search import Search, search

NUMBER = re.compile(r"(RF-?)?0*([0-9]{1,15})", re.IGNORECASE)
STRIPE_REFUND = re.compile(r"(re|pyr)_\w+", re.ASCII)


def search_refunds(conference: Conference, text: str) -> Search:
    """Understand a search: a refund's number or id at Stripe, or words of its order, each by its beginning.

    Args:
        conference: Only its refunds can be found.
        text: As typed. Plain digits are a number or the beginning of a word, as the last four of a card.
    """
    number = NUMBER.fullmatch(text)
    if number and number[1]:
        return Search(Q(pk=int(number[2])))
    if STRIPE_REFUND.fullmatch(text):
        return Search(Q(pk__in=RefundPart.objects.filter(stripe_refund_id=text).values("refund_id")))
    found = search(conference, text, "order__")
    numbered = Q(pk=int(number[2])) if number else Q()
    return Search(found.condition | numbered, found.is_common)
