"""An order and its lines; the balances on it are kept by the database."""

from __future__ import annotations

import secrets
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from registration.models.conference import Conference
from registration.models.fields import (
    InheritedCurrencyField,
    KeptAmountField,
    KeptCountField,
    money_field,
)
from registration.search import SearchTextField

REFERENCE_ALPHABET = "23456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_reference() -> str:
    """A reference that can be read out on the phone: no 0/O, 1/I/L, U."""
    return "ORD-" + "".join(secrets.choice(REFERENCE_ALPHABET) for _index in range(8))


class OrderQuerySet(models.QuerySet["Order"]):
    """Reads of orders."""

    def visible_to(self, user: Any) -> OrderQuerySet:
        """Those of conferences the user is a member of."""
        return self.filter(conference__memberships__user=user)

    def refundable(self) -> OrderQuerySet:
        """Those that still have something to give back."""
        return self.filter(refundable_amount__gt=0)

    def needing_attention(self) -> OrderQuerySet:
        """Those with an open item."""
        from registration.models.open_item import OpenItem

        return self.filter(Exists(OpenItem.objects.unresolved().filter(order=OuterRef("pk"))))

    def for_list(self) -> OrderQuerySet:
        """With what one row of the list shows."""
        return self.select_related("conference", "user").prefetch_related("payments", "open_items", "refunds__parts")


class Order(models.Model):
    """What an attendee bought. ``paid``, ``refunded``, ``reserved`` and ``refundable`` follow its money rows."""

    class Status(models.TextChoices):
        """Where the order stands; set from sums."""

        PENDING = "PENDING", _("Pending payment")
        PAID = "PAID", _("Paid")
        PARTIALLY_REFUNDED = "PARTIALLY_REFUNDED", _("Partially refunded")
        REFUNDED = "REFUNDED", _("Refunded")
        CANCELLED = "CANCELLED", _("Cancelled")

    conference = models.ForeignKey(Conference, on_delete=models.PROTECT, related_name="orders")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="orders")
    status = models.CharField(max_length=20, choices=Status, default=Status.PENDING)
    currency = InheritedCurrencyField(source="conference")
    subtotal = money_field(default=Decimal("0.00"))
    discount_amount = money_field(default=Decimal("0.00"))
    total = money_field(default=Decimal("0.00"))
    voucher_code = models.CharField(max_length=50, blank=True, default="")
    billing_name = models.CharField(max_length=200, blank=True, default="")
    billing_email = models.EmailField(blank=True, default="")
    billing_company = models.CharField(max_length=200, blank=True, default="")
    reference = models.CharField(max_length=40, unique=True, default=new_reference)
    hold_expires_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    paid_amount = KeptAmountField()
    refunded_amount = KeptAmountField()
    """What Stripe accepted and what was paid out as credit or by hand."""
    reserved_amount = KeptAmountField()
    """What is decided but not yet known to be accepted."""
    refundable_amount = KeptAmountField()
    history_length = KeptCountField()
    """How many entries were ever added to its history, so that missing newest ones show as well."""
    search_text = SearchTextField(("reference", "billing_name", "billing_email", "billing_company"))

    objects = OrderQuerySet.as_manager()

    class Meta:
        """Constraints and the indexes the list needs."""

        permissions = [
            ("refund_order", _("Can refund an order to card or credit")),
            ("refund_goodwill", _("Can refund and give the same again as credit")),
            ("refund_without_limit", _("Can refund above the support limit")),
            ("export_orders", _("Can export orders")),
            ("view_books", _("Can see the accounts")),
        ]
        constraints = [
            models.CheckConstraint(condition=Q(total__gte=0), name="order_total_not_negative"),
            models.CheckConstraint(condition=Q(refundable_amount__gte=0), name="order_never_refunded_above_paid"),
            models.CheckConstraint(condition=~Q(currency=""), name="order_has_currency"),
        ]
        indexes = [
            models.Index(fields=["conference", "-created_at", "-id"], name="order_newest"),
            models.Index(fields=["conference", "status", "-created_at", "-id"], name="order_status_newest"),
            models.Index(fields=["conference", "-refundable_amount", "-id"], name="order_most_refundable"),
            models.Index(fields=["user", "-created_at"], name="order_of_attendee"),
            models.Index(fields=["billing_email"], name="order_of_address"),
            # One for each column the list can be sorted by; each is read in both directions.
            *(
                models.Index(fields=["conference", column, "id"], name=f"order_by_{column}"[:30])
                for column in ("reference", "billing_name", "total", "paid_amount", "refunded_amount", "status")
            ),
            # Holds all that the sums of the overview read, so that a million orders are added up without their rows.
            models.Index(fields=["conference", "created_at", "paid_amount"], name="order_paid_by_day"),
        ]

    def __str__(self) -> str:
        """The reference."""
        return self.reference

    @property
    def due_amount(self) -> Decimal:
        """What is still to be paid, in ``currency``; never negative. What went back before it was paid is due again."""
        gone = self.refunded_amount if self.status == self.Status.PENDING else Decimal("0.00")
        due: Decimal = self.total - self.paid_amount + gone
        return max(due, Decimal("0.00"))

    @property
    def settled_status(self) -> str:
        """The status that the sums call for; PENDING and CANCELLED are left to those who set them."""
        if self.status in (self.Status.PENDING, self.Status.CANCELLED):
            return self.status
        if self.refunded_amount <= 0:
            return self.Status.PAID
        return self.Status.REFUNDED if self.is_covered_by(self.refunded_amount) else self.Status.PARTIALLY_REFUNDED

    def is_covered_by(self, gone: Decimal) -> bool:
        """Whether ``gone`` back (in ``currency``) covers the full total, and was not merely what was paid above it.

        What is left of an order that was paid twice may still pay for it. A refunded order stays so when more arrives
        late: what arrived is an item of its own.
        """
        left = self.paid_amount - gone
        is_enough = self.status == self.Status.REFUNDED or left < self.total or left <= 0
        return bool(gone >= self.total and is_enough)


class OrderLineItem(models.Model):
    """One thing bought."""

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="line_items")
    description = models.CharField(max_length=300)
    quantity = models.PositiveIntegerField(default=1)
    unit_price = money_field()
    discount_amount = money_field(default=Decimal("0.00"))
    line_total = money_field()

    class Meta:
        """Constraints."""

        ordering = ("pk",)
        constraints = [
            models.CheckConstraint(condition=Q(line_total__gte=0), name="line_item_total_not_negative"),
            models.CheckConstraint(condition=Q(discount_amount__gte=0), name="line_item_discount_not_negative"),
            models.CheckConstraint(condition=Q(quantity__gte=1), name="line_item_quantity_positive"),
        ]

    def __str__(self) -> str:
        """What it is."""
        return self.description
