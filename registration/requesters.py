"""Who asked for refunds of a conference, those who work there no more among them. Reads only."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import Exists, Q, QuerySet

from registration.models import Conference, Order, Refund

MOST_LOOKED_AT = 1000
"""Of so many refunds that one person asked for, one has to be of the conference."""
REQUESTERS = """
    WITH RECURSIVE people(id) AS (
        SELECT MIN(requested_by_id) FROM registration_refund
        UNION ALL
        SELECT (SELECT MIN(requested_by_id) FROM registration_refund WHERE requested_by_id > people.id)
        FROM people WHERE people.id IS NOT NULL
    )
    SELECT id, 0 FROM people WHERE id IS NOT NULL
    UNION ALL
    SELECT user_id, 1 FROM registration_membership WHERE conference_id = %s
"""
"""Steps from person to person along an index: they are few, and refunds very many."""


def requested_at(conference: Conference) -> QuerySet[Any]:
    """The members of a conference, and whoever asked for a refund of it and is none any more."""
    with connection.cursor() as cursor:
        cursor.execute(REQUESTERS, [conference.pk])
        found = cursor.fetchall()
    members = {key for key, is_member in found if is_member}
    wanted = Q(pk__in=members)
    for key in sorted({key for key, _is_member in found} - members):
        # Each by a key of its own, from which the database can tell whether their refunds are few or many.
        wanted |= Q(Exists(_asked_there(key, conference)), pk=key)
    people: QuerySet[Any] = get_user_model()._default_manager.filter(wanted)
    return people


def _asked_there(key: int, conference: Conference) -> QuerySet[Order]:
    theirs = Refund.objects.filter(requested_by=key).order_by().values("order")[:MOST_LOOKED_AT]
    return Order.objects.filter(pk__in=theirs, conference=conference)
