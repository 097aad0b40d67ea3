"""Money that came in."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from registration.models.fields import InheritedCurrencyField, KeptAmountField, money_field
from registration.models.order import Order
from registration.said import Said, say


class PaymentQuerySet(models.QuerySet["Payment"]):
    """Reads of payments."""

    def captured(self) -> PaymentQuerySet:
        """Those whose money arrived, whether or not it went back since."""
        return self.filter(status__in=Payment.CAPTURED)


class Payment(models.Model):
    """One tender towards an order. ``refunded``, ``reserved`` and ``refundable`` follow its refund parts."""

    class Method(models.TextChoices):
        """How it was paid."""

        STRIPE = "STRIPE", _("Card")
        TERMINAL = "TERMINAL", _("Terminal")
        COMP = "COMP", _("Complimentary")
        CREDIT = "CREDIT", _("Store credit")
        MANUAL = "MANUAL", _("Bank transfer or cash")

    class Status(models.TextChoices):
        """What became of it."""

        PENDING = "PENDING", _("Pending")
        PROCESSING = "PROCESSING", _("Processing")
        SUCCEEDED = "SUCCEEDED", _("Succeeded")
        FAILED = "FAILED", _("Failed")
        REFUNDED = "REFUNDED", _("Refunded")

    CAPTURED = (Status.SUCCEEDED, Status.REFUNDED)

    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="payments")
    method = models.CharField(max_length=10, choices=Method, default=Method.STRIPE)
    status = models.CharField(max_length=12, choices=Status, default=Status.PENDING)
    amount = money_field()
    currency = InheritedCurrencyField(source="order")
    stripe_payment_intent_id = models.CharField(max_length=255, blank=True, default="", db_index=True)
    stripe_charge_id = models.CharField(max_length=255, blank=True, default="", db_index=True)
    card_brand = models.CharField(max_length=30, blank=True, default="")
    card_last4 = models.CharField(max_length=4, blank=True, default="", db_index=True)
    livemode = models.BooleanField(null=True, blank=True)
    """Stripe's word on whether real money moved; empty when nobody asked Stripe yet."""
    dispute = models.JSONField(null=True, blank=True)
    """Stripe's latest dispute on the charge: id, status, reason, due_by (epoch), is_charge_refundable."""
    credit = models.ForeignKey(
        "registration.Credit", on_delete=models.PROTECT, null=True, blank=True, related_name="payments"
    )
    """The credit that a CREDIT payment was taken from, and goes back to."""
    reference = models.CharField(max_length=200, blank=True, default="")
    note = models.TextField(blank=True, default="")
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    received_at = models.DateTimeField(null=True, blank=True)
    """When it arrived; empty when it did as soon as the row was made."""
    created_at = models.DateTimeField(auto_now_add=True)

    refunded_amount = KeptAmountField()
    reserved_amount = KeptAmountField()
    refundable_amount = KeptAmountField()

    objects = PaymentQuerySet.as_manager()

    class Meta:
        """Constraints."""

        ordering = ("pk",)
        constraints = [
            models.CheckConstraint(condition=Q(amount__gte=0), name="payment_amount_not_negative"),
            models.CheckConstraint(condition=Q(refundable_amount__gte=0), name="payment_never_refunded_above_amount"),
            models.CheckConstraint(condition=~Q(currency=""), name="payment_has_currency"),
        ]
        # Leads from a rare method to its orders.
        indexes = [models.Index(fields=["method", "status", "order"], name="payment_by_method")]

    def __str__(self) -> str:
        """Method and order."""
        return f"{self.get_method_display()} {self.amount} {self.currency} for {self.order_id}"

    @property
    def is_captured(self) -> bool:
        """Whether its money arrived."""
        return self.status in self.CAPTURED

    @property
    def is_disputed(self) -> bool:
        """Whether Stripe refuses refunds because of a dispute (not for inquiries and won disputes)."""
        return self.dispute is not None and not self.dispute.get("is_charge_refundable", False)

    @property
    def instrument(self) -> str:
        """``Visa ending 4242`` when known, else the method in words."""
        return str(self.tender)

    @property
    def tender(self) -> Said:
        """What it was paid with, to be kept in a history."""
        if self.card_last4:
            brand = self.card_brand.replace("_", " ").title() or "card"
            return say("card", brand=brand, last4=self.card_last4)
        return say("method", method=self.method)

    @property
    def captured_amount(self) -> Decimal:
        """What arrived, in ``currency``."""
        return self.amount if self.is_captured else Decimal("0.00")
