"""One decision to give money back, and its parts: one per payment and way."""

from __future__ import annotations

import uuid
from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from registration.models.fields import InheritedCurrencyField, SaidField, money_field
from registration.models.order import Order, OrderLineItem
from registration.models.payment import Payment


class State(models.TextChoices):
    """Where a refund or a part of one stands.

    What somebody has to transfer by hand has a state of its own: all is decided and nothing has left yet.
    """

    AWAITING_APPROVAL = "awaiting_approval", _("Waiting for approval")
    REQUESTED = "requested", _("Requested")
    UNCONFIRMED = "unconfirmed", _("Being verified")
    AWAITING_TRANSFER = "awaiting_transfer", _("Pay back by hand")
    PENDING = "pending", _("Pending at Stripe")
    REQUIRES_ACTION = "requires_action", _("Needs the attendee")
    SUCCEEDED = "succeeded", _("Succeeded")
    FAILED = "failed", _("Failed")
    CANCELED = "canceled", pgettext_lazy("refund", "Cancelled")
    REJECTED = "rejected", _("Rejected")


UNDECIDED = (State.AWAITING_APPROVAL, State.REQUESTED, State.UNCONFIRMED)
"""Whether it goes out is still for a person or for Stripe to say."""
RESERVING = (*UNDECIDED, State.AWAITING_TRANSFER)
"""It has not left, and its sum can go nowhere else."""
WITH_STRIPE = (State.PENDING, State.REQUIRES_ACTION)
"""It has left, and has not arrived."""
ACCEPTED = (*WITH_STRIPE, State.SUCCEEDED)
"""It has left, and counts as refunded."""
UNDER_WAY = (State.REQUESTED, State.UNCONFIRMED, State.AWAITING_TRANSFER, *WITH_STRIPE)
"""It is decided, and has not arrived."""
OPEN = (State.AWAITING_APPROVAL, *UNDER_WAY)
"""Its outcome can still be waited for."""
NOTED = (State.AWAITING_TRANSFER, *ACCEPTED)
"""It is decided for good: a credit note records it."""
OVER = (State.FAILED, State.CANCELED, State.REJECTED)
NEXT_STATES: dict[str, frozenset[str]] = {
    State.AWAITING_APPROVAL: frozenset((State.REQUESTED, State.REJECTED)),
    State.REQUESTED: frozenset((State.UNCONFIRMED, *NOTED, State.FAILED, State.CANCELED)),
    State.AWAITING_TRANSFER: frozenset((State.SUCCEEDED, State.CANCELED)),
    State.UNCONFIRMED: frozenset((*ACCEPTED, State.FAILED, State.CANCELED)),
    State.PENDING: frozenset((State.REQUIRES_ACTION, State.SUCCEEDED, State.FAILED, State.CANCELED)),
    State.REQUIRES_ACTION: frozenset((State.PENDING, State.SUCCEEDED, State.FAILED, State.CANCELED)),
    State.SUCCEEDED: frozenset((State.FAILED,)),
    State.FAILED: frozenset(),
    State.CANCELED: frozenset(),
    State.REJECTED: frozenset(),
}
URGENCY = (
    State.UNCONFIRMED,
    State.REQUESTED,
    State.AWAITING_APPROVAL,
    State.AWAITING_TRANSFER,
    State.REQUIRES_ACTION,
    State.PENDING,
    State.SUCCEEDED,
    State.FAILED,
    State.CANCELED,
    State.REJECTED,
)
"""The state of a refund with several parts is the first of these that any part is in."""


class Refund(models.Model):
    """The decision: who gave back how much of an order, where to, and why. Written before anything is sent."""

    State = State

    class Destination(models.TextChoices):
        """Where the money goes."""

        CARD = "CARD", _("Original card")
        CREDIT = "CREDIT", _("Store credit")
        SPLIT = "SPLIT", _("Part card, part store credit")
        CARD_AND_CREDIT = "CARD_AND_CREDIT", _("Card refund plus the same again as credit")

    class Source(models.TextChoices):
        """Who made it."""

        DESK = "DESK", _("Refund Desk")
        EXTERNAL = "EXTERNAL", _("Made at Stripe")

    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="refunds")
    amount = money_field()
    currency = InheritedCurrencyField(source="order")
    fee_amount = money_field(default=Decimal("0.00"))
    """Kept back from what was asked for; ``amount`` is what goes out."""
    destination = models.CharField(max_length=16, choices=Destination, default=Destination.CARD_AND_CREDIT)
    source = models.CharField(max_length=8, choices=Source, default=Source.DESK)
    state = models.CharField(max_length=20, choices=State, default=State.REQUESTED)
    stripe_reason = models.CharField(max_length=50, default="requested_by_customer")
    reason = SaidField(blank=True, default="")
    note = models.TextField(blank=True, default="")
    nonce = models.CharField(max_length=64, null=True, blank=True, unique=True)
    """One form, one refund: a second submit finds the first one's result."""
    refusal = SaidField(blank=True, default="")
    """Why it failed, in words for staff."""
    retry_of = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="retries")
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    hold_until = models.DateTimeField(null=True, blank=True)
    """While it is set nothing is sent; it is taken away when the time to undo is over."""
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    """The second person, who approved or rejected what ``requested_by`` proposed."""
    decided_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        """Constraints."""

        ordering = ("-pk",)
        permissions = [("approve_refund", _("Can approve or reject what a colleague proposed"))]
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="refund_amount_positive"),
            models.CheckConstraint(condition=Q(fee_amount__gte=0), name="refund_fee_not_negative"),
            models.CheckConstraint(condition=~Q(currency=""), name="refund_has_currency"),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=True) | ~Q(decided_by=models.F("requested_by")),
                name="refund_never_approved_by_its_proposer",
            ),
        ]
        indexes = [
            models.Index(fields=["state", "-id"], name="refund_state_newest"),
            models.Index(fields=["hold_until"], condition=Q(hold_until__isnull=False), name="refund_held"),
            models.Index(fields=["created_at"], name="refund_by_day"),
        ]

    def __str__(self) -> str:
        """The number staff quote."""
        return self.number

    @property
    def number(self) -> str:
        """``RF-1043``."""
        return f"RF-{self.pk:04d}"

    @property
    def is_held(self) -> bool:
        """Whether it was decided and can still be undone, because nothing is sent yet."""
        return self.state == State.REQUESTED and self.hold_until is not None

    @property
    def is_overdue(self) -> bool:
        """Whether the time to undo it is over and nobody sent it yet."""
        return self.is_held and self.hold_until is not None and self.hold_until <= timezone.now()

    @property
    def is_open(self) -> bool:
        """Whether its outcome can still be waited for."""
        return self.state in OPEN


class RefundPart(models.Model):
    """One movement of a refund. Its UUID is the idempotency key; its parameters never change."""

    State = State

    class Channel(models.TextChoices):
        """How it moves."""

        STRIPE = "STRIPE", _("Card, through Stripe")
        STORE_CREDIT = "STORE_CREDIT", _("New store credit")
        CREDIT_RETURN = "CREDIT_RETURN", _("Back to the credit it came from")
        MANUAL = "MANUAL", _("By hand")

    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, related_name="parts")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refund_parts")
    channel = models.CharField(max_length=14, choices=Channel)
    amount = money_field()
    currency = InheritedCurrencyField(source="payment")
    state = models.CharField(max_length=20, choices=State, default=State.REQUESTED)
    credit = models.ForeignKey(
        "registration.Credit", on_delete=models.PROTECT, null=True, blank=True, related_name="refund_parts"
    )
    """The credit issued for it, or the one it went back to."""
    stripe_refund_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    stripe_request_id = models.CharField(max_length=255, blank=True, default="")
    stripe_status = models.CharField(max_length=50, blank=True, default="")
    failure_reason = models.CharField(max_length=100, blank=True, default="")
    pending_reason = models.CharField(max_length=100, blank=True, default="")
    act_by = models.DateTimeField(null=True, blank=True)
    """Until when the attendee must act on Stripe's email, while it waits for them."""
    trace_reference = models.CharField(max_length=100, blank=True, default="")
    """The bank's reference (ARN) once Stripe has it, or the reference of a manual transfer."""
    sent_at = models.DateTimeField(null=True, blank=True)
    """When it was first sent: the idempotency key is safe to use again while clearly under 24 hours."""
    attempts = models.PositiveSmallIntegerField(default=0)
    checks = models.PositiveSmallIntegerField(default=0)
    """How often its outcome was asked for after the first try."""
    next_check_at = models.DateTimeField(null=True, blank=True)
    """Not to be asked for by itself before then; empty means at once."""
    leased_until = models.DateTimeField(null=True, blank=True)
    """Somebody is asking Stripe until then, so nobody else has to."""
    last_problem = SaidField(blank=True, default="")
    """Why the last try settled nothing, in words for staff."""
    accepted_at = models.DateTimeField(null=True, blank=True)
    """When it left, for the books; stays when it comes back later, which ``settled_at`` then says."""
    settled_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        """Constraints."""

        ordering = ("pk",)
        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="refund_part_amount_positive"),
            models.CheckConstraint(condition=~Q(currency=""), name="refund_part_has_currency"),
        ]
        indexes = [
            models.Index(
                fields=["state", "id"],
                name="refund_part_unsettled",
                condition=Q(state__in=["requested", "unconfirmed", "pending", "requires_action"]),
            ),
            models.Index(fields=["created_at"], name="refund_part_by_day"),
            # Also by its beginning, which PostgreSQL finds only in an index that compares letter by letter.
            models.Index(
                fields=["trace_reference"],
                name="refund_part_by_reference",
                opclasses=["varchar_pattern_ops"],
                condition=Q(trace_reference__gt=""),
            ),
        ]

    def __str__(self) -> str:
        """Part of which refund."""
        return f"{self.get_channel_display()} {self.amount} {self.currency}"

    def may_become(self, state: str) -> bool:
        """Whether the state table allows the step; events arrive late and out of order."""
        return state in NEXT_STATES[self.state]


class RefundLine(models.Model):
    """How much of a refund is for one line item."""

    refund = models.ForeignKey(Refund, on_delete=models.PROTECT, related_name="lines")
    line_item = models.ForeignKey(OrderLineItem, on_delete=models.PROTECT, related_name="refund_lines")
    amount = money_field()
    count = models.PositiveIntegerField(null=True, blank=True)
    """How many of a line that holds several; ``None`` where the amount is no number of them."""

    class Meta:
        """Constraints."""

        constraints = [
            models.CheckConstraint(condition=Q(amount__gt=0), name="refund_line_amount_positive"),
            models.CheckConstraint(condition=Q(count__isnull=True) | Q(count__gt=0), name="refund_line_count_positive"),
        ]

    def __str__(self) -> str:
        """What, how much."""
        return f"{self.line_item}: {self.amount}"
