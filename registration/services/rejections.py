"""Counts what the webhook turned away, by conference and cause; nothing of what it said is kept."""

from __future__ import annotations

import logging

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from registration.models import Conference, WebhookRejection

Cause = WebhookRejection.Cause

logger = logging.getLogger(__name__)


class Rejected(ValueError):  # noqa: N818
    """A request to the webhook is not an event of the conference; ``cause`` says why not."""

    def __init__(self, cause: Cause) -> None:
        """Keep the cause."""
        super().__init__(cause.label)
        self.cause = cause


def count_rejection(conference: Conference, cause: str) -> None:
    """Add one. A database that does not answer costs the count, not the answer to whoever asked."""
    try:
        if not _add(conference, cause):
            _begin(conference, cause)
    except DatabaseError:
        logger.exception("webhook_rejection_not_counted conference=%s cause=%s", conference.slug, cause)


def _add(conference: Conference, cause: str) -> int:
    counted = WebhookRejection.objects.filter(conference=conference, cause=cause)
    return counted.update(count=F("count") + 1, last_at=timezone.now())


def _begin(conference: Conference, cause: str) -> None:
    try:
        with transaction.atomic():
            WebhookRejection.objects.create(conference=conference, cause=cause, count=1)
    except IntegrityError:  # Another process began at the same moment.
        _add(conference, cause)


def forget_rejections(conference: Conference) -> int:
    """Begin to count anew, once somebody has seen to the cause; returns how many causes there were."""
    return WebhookRejection.objects.filter(conference=conference).delete()[0]
