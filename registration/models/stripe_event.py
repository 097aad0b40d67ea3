"""What Stripe told us, stored before anything is done with it."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registration.models.conference import Conference


class StripeEvent(models.Model):
    """One event as it arrived. A hint to fetch the object, never the truth itself."""

    class State(models.TextChoices):
        """What became of it."""

        STORED = "STORED", _("Stored")
        PROCESSED = "PROCESSED", _("Processed")
        IGNORED = "IGNORED", _("Ignored")
        FAILED = "FAILED", _("Failed")

    conference = models.ForeignKey(Conference, on_delete=models.PROTECT, related_name="stripe_events")
    event_id = models.CharField(max_length=255)
    type = models.CharField(max_length=100)
    payload = models.JSONField()
    state = models.CharField(max_length=9, choices=State, default=State.STORED)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.TextField(blank=True, default="")
    next_attempt_at = models.DateTimeField(default=timezone.now)
    received_at = models.DateTimeField(auto_now_add=True)
    processed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Constraints."""

        ordering = ("pk",)
        constraints = [
            models.UniqueConstraint(fields=["conference", "event_id"], name="stripe_event_stored_once"),
        ]
        indexes = [
            models.Index(fields=["state", "next_attempt_at"], name="stripe_event_queue"),
            models.Index(fields=["conference"], condition=Q(state="FAILED"), name="stripe_event_failed"),
        ]

    def __str__(self) -> str:
        """Type and id."""
        return f"{self.type} {self.event_id}"


class WebhookRejection(models.Model):
    """How many requests to a conference's webhook were turned away, by cause. Nothing of what they said is kept."""

    class Cause(models.TextChoices):
        """What was wrong."""

        SIGNATURE = "SIGNATURE", _("Not signed with the conference's webhook secret, or too old")
        NO_SECRET = "NO_SECRET", _("The conference has no webhook secret")
        BODY = "BODY", _("Not an event")
        ACCOUNT = "ACCOUNT", _("Another Stripe account")
        MODE = "MODE", _("The other mode (live or test)")

    conference = models.ForeignKey(Conference, on_delete=models.PROTECT, related_name="webhook_rejections")
    cause = models.CharField(max_length=9, choices=Cause)
    count = models.PositiveBigIntegerField(default=0)
    first_at = models.DateTimeField(default=timezone.now)
    last_at = models.DateTimeField(default=timezone.now)

    class Meta:
        """Constraints."""

        ordering = ("-last_at",)
        constraints = [models.UniqueConstraint(fields=["conference", "cause"], name="webhook_rejection_per_cause")]

    def __str__(self) -> str:
        """Cause and count."""
        return f"{self.get_cause_display()}: {self.count}"
