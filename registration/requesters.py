"""Who asked for refunds of a conference, those who work there no more among them. Reads only."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.db.models.expressions import RawSQL

from registration.models import Conference

MOST_LOOKED_AT = 1000
"""Of so many refunds that one person asked for, one has to be of the conference."""
REQUESTERS = """
    WITH RECURSIVE people(id) AS (
        SELECT MIN(requested_by_id) FROM registration_refund
        UNION ALL
        SELECT (SELECT MIN(requested_by_id) FROM registration_refund WHERE requested_by_id > people.id)
        FROM people WHERE people.id IS NOT NULL
    )
    SELECT user_id FROM registration_membership WHERE conference_id = %s
    UNION
    SELECT id FROM people
    WHERE EXISTS (
        SELECT 1 FROM (
            SELECT order_id FROM registration_refund WHERE requested_by_id BETWEEN people.id AND people.id
            ORDER BY requested_by_id LIMIT %s
        ) AS theirs
        WHERE (SELECT conference_id FROM registration_order WHERE id = theirs.order_id) = %s
    )
"""
"""Steps from person to person along an index: they are few, and refunds very many. A range and an order keep
PostgreSQL at that index: for an equal key it would read the table and hope to meet somebody's refunds early."""


def requested_at(conference: Conference) -> QuerySet[Any]:
    """The members of a conference, and whoever asked for a refund of it and is none any more."""
    keys = RawSQL(REQUESTERS, [conference.pk, MOST_LOOKED_AT, conference.pk])  # noqa: S611
    people: QuerySet[Any] = get_user_model()._default_manager.filter(pk__in=keys)
    return people
