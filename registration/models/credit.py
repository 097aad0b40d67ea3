"""Store credit we owe an attendee, and every movement of it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registration.models.conference import Conference
from registration.models.fields import InheritedCurrencyField, OpeningBalanceField, SaidField, money_field
from registration.models.order import Order


class CreditQuerySet(models.QuerySet["Credit"]):
    """Reads of credits."""

    def spendable(self, at: datetime | None = None) -> CreditQuerySet:
        """Those that can pay an order now, or at a moment, the one that expires first in front."""
        return (
            self.filter(status=Credit.Status.AVAILABLE, remaining_amount__gt=0)
            .filter(Q(expires_at__isnull=True) | Q(expires_at__gt=at or timezone.now()))
            .order_by(models.F("expires_at").asc(nulls_last=True), "pk")
        )

    def visible_to(self, user: Any) -> CreditQuerySet:
        """Those of conferences the user is a member of."""
        return self.filter(conference__memberships__user=user)


class Credit(models.Model):
    """A credit note. ``remaining_amount`` is the sum of its entries; the database keeps it so."""

    class Status(models.TextChoices):
        """What can be done with it."""

        AVAILABLE = "AVAILABLE", _("Available")
        APPLIED = "APPLIED", _("Used")
        EXPIRED = "EXPIRED", _("Expired")
        VOIDED = "VOIDED", _("Voided")
        PAID_OUT = "PAID_OUT", _("Paid back")

    class Kind(models.TextChoices):
        """Why it exists."""

        REFUND = "REFUND", _("Refund")
        """Records a refund: spendable when it was refunded as credit, PAID_OUT when the card got it."""
        GOODWILL = "GOODWILL", _("Goodwill")
        """A gift. Does not lower what can still be refunded, even when tied to an order."""

    # Without an index of its own: those of an attendee begin with it.
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="credits", db_index=False)
    conference = models.ForeignKey(Conference, on_delete=models.PROTECT, related_name="credits")
    kind = models.CharField(max_length=8, choices=Kind, default=Kind.REFUND)
    amount = money_field()
    remaining_amount = OpeningBalanceField()
    currency = InheritedCurrencyField(source="conference")
    status = models.CharField(max_length=9, choices=Status, default=Status.AVAILABLE)
    source_order = models.ForeignKey(
        Order, on_delete=models.PROTECT, null=True, blank=True, related_name="issued_credits"
    )
    applied_to_order = models.ForeignKey(
        Order, on_delete=models.PROTECT, null=True, blank=True, related_name="applied_credits"
    )
    """The last order it paid; every use is an entry."""
    refund = models.ForeignKey(
        "registration.Refund", on_delete=models.PROTECT, null=True, blank=True, related_name="credits"
    )
    note = SaidField(blank=True, default="")
    issued_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    nonce = models.CharField(max_length=64, null=True, blank=True, unique=True)
    """One form, one gift: a second submit finds the first one's credit."""
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = CreditQuerySet.as_manager()

    class Meta:
        """Constraints."""

        ordering = ("-pk",)
        permissions = [
            ("apply_credit", _("Can apply a credit to an order")),
            ("issue_credit", _("Can issue goodwill credit")),
            ("adjust_credit", _("Can adjust or void a credit")),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="credit_amount_positive"),
            models.CheckConstraint(condition=Q(remaining_amount__gte=0), name="credit_never_below_zero"),
            models.CheckConstraint(condition=~Q(currency=""), name="credit_has_currency"),
        ]
        indexes = [
            models.Index(fields=["user", "conference", "status"], name="credit_of_attendee"),
            # A page of them, newest first: else the planner walks everybody's until it has met enough of theirs.
            models.Index(fields=["user", "conference", "-id"], name="credit_of_attendee_newest"),
        ]

    def __str__(self) -> str:
        """The number staff quote."""
        return self.number

    @property
    def number(self) -> str:
        """``CR-0412``."""
        return f"CR-{self.pk:04d}"

    @property
    def is_spendable(self) -> bool:
        """Whether it can pay an order now."""
        expired = self.expires_at is not None and self.expires_at <= timezone.now()
        return self.status == self.Status.AVAILABLE and self.remaining_amount > 0 and not expired


class CreditEntry(models.Model):
    """One movement of a credit. Added, never changed: the database refuses edits and deletions."""

    class Kind(models.TextChoices):
        """What moved it."""

        ISSUED = "ISSUED", _("Issued")
        APPLIED = "APPLIED", _("Applied")
        RESTORED = "RESTORED", _("Restored")
        EXPIRED = "EXPIRED", _("Expired")
        VOIDED = "VOIDED", _("Voided")
        RECALLED = "RECALLED", _("Taken back")
        """The refund that it was issued for came back, because the card got the same money."""
        ADJUSTED = "ADJUSTED", _("Adjusted")
        PAID_OUT = "PAID_OUT", _("Paid back")

    # Its index is the one that also holds what is added up.
    credit = models.ForeignKey(Credit, on_delete=models.PROTECT, related_name="entries", db_index=False)
    kind = models.CharField(max_length=8, choices=Kind)
    amount = money_field()
    """Signed: what it adds to the credit, in the credit's currency."""
    order = models.ForeignKey(Order, on_delete=models.PROTECT, null=True, blank=True, related_name="credit_entries")
    payment = models.ForeignKey(
        "registration.Payment", on_delete=models.PROTECT, null=True, blank=True, related_name="credit_entries"
    )
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    reason = SaidField(blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        """Constraints."""

        ordering = ("pk",)
        constraints = [models.CheckConstraint(condition=~Q(amount=0), name="credit_entry_moves_something")]
        indexes = [
            models.Index(fields=["created_at"], name="credit_entry_by_day"),
            # All that a balance and the order of a ledger take, so that a thousand rows need not be read.
            models.Index(fields=["credit", "created_at", "id", "kind", "amount"], name="credit_entry_of_credit"),
        ]

    def __str__(self) -> str:
        """What, how much."""
        return f"{self.get_kind_display()} {self.amount}"
