"""What happened to an order: added to, never edited or deleted."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone

from registration.models.conference import Conference
from registration.models.order import Order


class HistoryEntry(models.Model):
    """One event of an order, chained to the one before by its digest so that a missing or edited one shows."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="history")
    position = models.PositiveIntegerField()
    kind = models.CharField(max_length=40)
    """A key of ``registration.sentences``."""
    facts = models.JSONField(default=dict, encoder=DjangoJSONEncoder)
    """What the sentence needs; amounts as strings in major units."""
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    refund = models.ForeignKey(
        "registration.Refund", on_delete=models.PROTECT, null=True, blank=True, related_name="history"
    )
    created_at = models.DateTimeField(default=timezone.now)
    digest = models.CharField(max_length=64)

    class Meta:
        """Constraints."""

        ordering = ("order", "position")
        constraints = [models.UniqueConstraint(fields=["order", "position"], name="history_one_entry_per_position")]

    def __str__(self) -> str:
        """Which event."""
        return f"{self.order_id}/{self.position} {self.kind}"

    def computed_digest(self, previous: str) -> str:
        """The digest this entry must carry after ``previous`` (empty for the first)."""
        content: list[Any] = [
            previous,
            self.order_id,
            self.position,
            self.kind,
            self.facts,
            self.actor_id,
            self.refund_id,
            self.created_at.isoformat(),
        ]
        text = json.dumps(content, sort_keys=True, cls=DjangoJSONEncoder)
        return hashlib.sha256(text.encode()).hexdigest()


class Note(models.Model):
    """An internal note of staff on an order or an attendee."""

    conference = models.ForeignKey(Conference, on_delete=models.PROTECT, related_name="+")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, null=True, blank=True, related_name="notes")
    attendee = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="staff_notes"
    )
    text = models.TextField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Newest first."""

        ordering = ("-pk",)

    def __str__(self) -> str:
        """Its beginning."""
        return self.text[:60]
