"""Differences and duties that a person should look at: nothing about money is ever silently off."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from registration.models.conference import Conference
from registration.models.fields import SaidField
from registration.models.order import Order
from registration.models.payment import Payment
from registration.models.refund import Refund


class OpenItemQuerySet(models.QuerySet["OpenItem"]):
    """Reads of open items."""

    def unresolved(self) -> OpenItemQuerySet:
        """Those that still wait for somebody."""
        return self.filter(resolved_at__isnull=True)

    def not_in_the_books(self, order: Order) -> OpenItemQuerySet:
        """Refunds of an order made at Stripe for which the books had no room: the money is gone, the balance has it."""
        return self.unresolved().filter(order=order, kind=OpenItem.Kind.EXTERNAL, refund__isnull=True)


class OpenItem(models.Model):
    """Something with a name that staff settle; the subject says what it is about."""

    class Kind(models.TextChoices):
        """Why somebody should look."""

        UNCONFIRMED = "UNCONFIRMED", _("Being verified")
        FAILED = "FAILED", _("Refund failed")
        EXTERNAL = "EXTERNAL", _("Refunded at Stripe")
        UNMATCHED = "UNMATCHED", _("Matches no order")
        OVERPAID = "OVERPAID", _("Overpaid")
        PAID_LATE = "PAID_LATE", _("Paid late")
        MANUAL_TRANSFER = "MANUAL_TRANSFER", _("Pay back by hand")
        UNSENT = "UNSENT", _("Not sent yet")
        BALANCE_LOW = "BALANCE_LOW", _("Stripe balance too low")
        SLOW = "SLOW", _("Slow at Stripe")
        APPROVAL = "APPROVAL", _("Waiting for approval")
        CREDIT_SPENT = "CREDIT_SPENT", _("Credit spent, refund failed")
        CHARGED_BACK = "CHARGED_BACK", _("Refunded and charged back")
        DISPUTED = "DISPUTED", _("Disputed")
        DRIFT = "DRIFT", _("Differs from Stripe")

    conference = models.ForeignKey(Conference, on_delete=models.PROTECT, related_name="open_items")
    order = models.ForeignKey(Order, on_delete=models.PROTECT, null=True, blank=True, related_name="open_items")
    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, null=True, blank=True, related_name="open_items")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, null=True, blank=True, related_name="open_items")
    kind = models.CharField(max_length=16, choices=Kind)
    subject = models.CharField(max_length=255)
    """What it is about, so that the same thing opens one item: a Stripe id, ``refund:7``, ``payment:9``."""
    facts = models.JSONField(default=dict)
    opened_at = models.DateTimeField(auto_now_add=True)
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    resolution = SaidField(blank=True, default="")

    objects = OpenItemQuerySet.as_manager()

    class Meta:
        """Constraints."""

        ordering = ("opened_at", "pk")
        constraints = [
            models.UniqueConstraint(
                fields=["conference", "kind", "subject"],
                condition=Q(resolved_at__isnull=True),
                name="open_item_once_while_open",
            )
        ]
        indexes = [
            # Every page counts these by kind and asks for the newest, and a filter for their orders: no row is read.
            models.Index(
                fields=["conference", "kind", "opened_at", "id", "order"],
                condition=Q(resolved_at__isnull=True),
                name="open_item_unresolved",
            ),
            models.Index(
                fields=["conference", "opened_at", "id"],
                condition=Q(resolved_at__isnull=True),
                name="open_item_oldest",
            ),
        ]

    def __str__(self) -> str:
        """Kind and subject."""
        return f"{self.get_kind_display()}: {self.subject}"

    def get_kind_display(self) -> str:  # type: ignore[no-redef]
        """The kind in words. Django's own puts all of the kinds into words to find one, and lists ask row by row."""
        return str(self.Kind(self.kind).label)
