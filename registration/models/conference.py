"""A conference, who may see it, and why its staff refund."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registration.encryption import EncryptedTextField
from registration.models.fields import money_field


class ConferenceQuerySet(models.QuerySet["Conference"]):
    """Reads of conferences."""

    def visible_to(self, user: Any) -> ConferenceQuerySet:
        """Those the user is a member of."""
        return self.filter(memberships__user=user)


class Conference(models.Model):
    """One event with its own currency, Stripe account and refund rules."""

    class Destination(models.TextChoices):
        """Where a refund goes when the form opens."""

        CARD = "CARD", _("Original card")
        CREDIT = "CREDIT", _("Store credit")

    name = models.CharField(max_length=200)
    slug = models.SlugField(unique=True)
    start_date = models.DateField(null=True, blank=True)
    end_date = models.DateField(null=True, blank=True)
    timezone = models.CharField(max_length=64, default="UTC")
    currency = models.CharField(max_length=3, default="USD", validators=[RegexValidator(r"^[A-Z]{3}$")])
    stripe_secret_key = EncryptedTextField(blank=True, default="")
    stripe_publishable_key = EncryptedTextField(blank=True, default="")
    stripe_webhook_secret = EncryptedTextField(blank=True, default="")
    old_webhook_secret = EncryptedTextField(blank=True, default="")
    """The one before, which still counts until ``old_webhook_secret_until`` while Stripe changes over."""
    old_webhook_secret_until = models.DateTimeField(null=True, blank=True)
    refund_destination = models.CharField(max_length=6, choices=Destination, default=Destination.CARD)
    support_refund_limit = money_field(null=True, blank=True)
    """Most that staff without ``refund_without_limit`` may refund at once; empty means no limit."""
    support_daily_limit = money_field(null=True, blank=True)
    """Most that one of them may refund in a day; empty means no limit."""
    undo_seconds = models.PositiveSmallIntegerField(default=8)
    """How long a refund from the form can be taken back before it is sent, at most two minutes; 0 sends it at once."""
    credit_validity_days = models.PositiveIntegerField(null=True, blank=True)
    """How long a new credit lasts; empty means it does not expire."""

    objects = ConferenceQuerySet.as_manager()

    class Meta:
        """Constraints."""

        ordering = ("-start_date", "name")
        permissions = [("view_overview", _("Can see the overview"))]
        constraints = [
            models.CheckConstraint(
                condition=Q(support_refund_limit__isnull=True) | Q(support_refund_limit__gte=0),
                name="conference_support_limit_not_negative",
            ),
            models.CheckConstraint(
                condition=Q(support_daily_limit__isnull=True) | Q(support_daily_limit__gte=0),
                name="conference_daily_limit_not_negative",
            ),
            # A refund that could be undone for longer would look like one that is not sent at all.
            models.CheckConstraint(condition=Q(undo_seconds__lte=120), name="conference_undo_within_two_minutes"),
        ]

    def __str__(self) -> str:
        """The name staff know it by."""
        return self.name

    @property
    def zone(self) -> ZoneInfo:
        """The clock on its wall."""
        return ZoneInfo(self.timezone)

    def localtime(self, moment: datetime) -> datetime:
        """A moment on the clocks of the conference's place: deadlines and days are counted there."""
        return moment.astimezone(self.zone)

    @property
    def webhook_secrets(self) -> list[str]:
        """Those that may sign an event now; during a change there are two."""
        still = self.old_webhook_secret_until is not None and self.old_webhook_secret_until > timezone.now()
        both = (self.stripe_webhook_secret, self.old_webhook_secret if still else "")
        return [secret for secret in both if secret]

    @property
    def uses_live_key(self) -> bool:
        """Whether money would really move."""
        return self.stripe_secret_key.startswith(("sk_live_", "rk_live_"))


class Membership(models.Model):
    """A member of staff may see a conference; what they may do there comes from their groups."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="memberships")
    conference = models.ForeignKey(Conference, on_delete=models.PROTECT, related_name="memberships")

    class Meta:
        """Constraints."""

        constraints = [models.UniqueConstraint(fields=["user", "conference"], name="membership_once_per_conference")]

    def __str__(self) -> str:
        """Who, where."""
        return f"{self.user} at {self.conference}"


class RefundReason(models.Model):
    """A house reason for refunds and the reason Stripe is told for it."""

    class StripeReason(models.TextChoices):
        """The reasons Stripe accepts on a refund."""

        REQUESTED_BY_CUSTOMER = "requested_by_customer", _("Requested by customer")
        DUPLICATE = "duplicate", _("Duplicate")
        FRAUDULENT = "fraudulent", _("Fraudulent")

    conference = models.ForeignKey(Conference, on_delete=models.PROTECT, related_name="refund_reasons")
    label = models.CharField(max_length=100)
    stripe_reason = models.CharField(max_length=30, choices=StripeReason, default=StripeReason.REQUESTED_BY_CUSTOMER)
    position = models.PositiveSmallIntegerField(default=0)
    is_active = models.BooleanField(default=True)

    class Meta:
        """Order in which the form offers them."""

        ordering = ("position", "pk")
        constraints = [
            models.UniqueConstraint(fields=["conference", "label"], name="refund_reason_label_once_per_conference")
        ]

    def __str__(self) -> str:
        """As staff read it."""
        return self.label
