"""A comparison of the books with Stripe: how far it got, and each difference it found."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from registration.models.conference import Conference
from registration.models.fields import SaidField
from registration.models.order import Order


class ComparisonRun(models.Model):
    """One walk through a conference's Stripe account and its rows here. Its cursor outlives a crash."""

    class State(models.TextChoices):
        """Where it stands."""

        RUNNING = "RUNNING", _("Running")
        FINISHED = "FINISHED", _("Finished")
        GIVEN_UP = "GIVEN_UP", _("Given up")

    class Step(models.TextChoices):
        """What it reads now, in this order."""

        REFUNDS = "REFUNDS", _("Refunds at Stripe")
        CHARGES = "CHARGES", _("Payments at Stripe")
        DISPUTES = "DISPUTES", _("Disputes at Stripe")
        OUR_REFUNDS = "OUR_REFUNDS", _("Our refunds")
        OUR_PAYMENTS = "OUR_PAYMENTS", _("Our payments")
        CONFIRM = "CONFIRM", _("A second look at what differs")
        ITEMS = "ITEMS", _("What was open before")

    conference = models.ForeignKey(Conference, on_delete=models.PROTECT, related_name="comparisons")
    since = models.DateTimeField(null=True, blank=True)
    """From when on; empty means from the start."""
    until = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State, default=State.RUNNING)
    step = models.CharField(max_length=12, choices=Step, default=Step.REFUNDS)
    cursor = models.CharField(max_length=255, blank=True, default="")
    """Where the step goes on: an id at Stripe, or a key of ours."""
    refunds = models.PositiveIntegerField(default=0)
    payments = models.PositiveIntegerField(default=0)
    disputes = models.PositiveIntegerField(default=0)
    problem = SaidField(blank=True, default="")
    """Why it stands still, in words for staff; empty while it moves."""
    attempts = models.PositiveSmallIntegerField(default=0)
    """How often in a row Stripe could not be asked."""
    next_attempt_at = models.DateTimeField(default=timezone.now)
    """When somebody may take the next step: after a pause, or when whoever took the last one must have died."""
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Constraints."""

        ordering = ("-pk",)
        constraints = [
            models.UniqueConstraint(
                fields=["conference"], condition=Q(state="RUNNING"), name="comparison_one_at_a_time_per_conference"
            )
        ]

    def __str__(self) -> str:
        """Which one."""
        return f"Comparison {self.pk} of {self.conference_id}"


class ComparisonMark(models.Model):
    """A row of ours that a run met at Stripe, so that it can tell at the end which it did not; gone with the run."""

    run = models.ForeignKey(ComparisonRun, on_delete=models.CASCADE, related_name="marks")
    noun = models.CharField(max_length=7)
    row = models.PositiveBigIntegerField()

    class Meta:
        """Constraints."""

        constraints = [models.UniqueConstraint(fields=["run", "noun", "row"], name="comparison_mark_once")]

    def __str__(self) -> str:
        """Which row."""
        return f"{self.noun}:{self.row}"


class Difference(models.Model):
    """One thing that is not the same here and at Stripe, with both sides as they were last seen."""

    class Kind(models.TextChoices):
        """How it differs."""

        REFUND_MISSING_HERE = "REFUND_MISSING_HERE", _("Refund missing here")
        REFUND_MISSING_THERE = "REFUND_MISSING_THERE", _("Refund missing at Stripe")
        REFUND_AMOUNT = "REFUND_AMOUNT", _("Refund over another amount")
        REFUND_CURRENCY = "REFUND_CURRENCY", _("Refund in another currency")
        REFUND_STATE = "REFUND_STATE", _("Refund in another state")
        REFUND_PAYMENT = "REFUND_PAYMENT", _("Refund of another payment")
        PAYMENT_MISSING_HERE = "PAYMENT_MISSING_HERE", _("Payment missing here")
        PAYMENT_MISSING_THERE = "PAYMENT_MISSING_THERE", _("Payment missing at Stripe")
        PAYMENT_WITHOUT_ID = "PAYMENT_WITHOUT_ID", _("Payment without an id")
        PAYMENT_TWICE = "PAYMENT_TWICE", _("Payment recorded twice")
        PAYMENT_AMOUNT = "PAYMENT_AMOUNT", _("Payment over another amount")
        PAYMENT_CURRENCY = "PAYMENT_CURRENCY", _("Payment in another currency")
        PAYMENT_STATE = "PAYMENT_STATE", _("Payment in another state")
        UNKNOWN_PAYMENT = "UNKNOWN_PAYMENT", _("Of an unknown payment")
        DISPUTE_MISSING_HERE = "DISPUTE_MISSING_HERE", _("Dispute missing here")
        DISPUTE_STATE = "DISPUTE_STATE", _("Dispute in another state")

    class State(models.TextChoices):
        """What became of it."""

        SUSPECTED = "SUSPECTED", _("To be looked at again")
        OPEN = "OPEN", _("Open")
        NAMED = "NAMED", _("Waits in needs attention")
        ACCEPTED = "ACCEPTED", _("Settled with a note")
        REPAIRED = "REPAIRED", _("Repaired")
        GONE = "GONE", _("Gone by itself")

    DIFFERING = (State.OPEN, State.NAMED)
    """Still not the same, and nobody has said why that is right."""

    run = models.ForeignKey(ComparisonRun, on_delete=models.CASCADE, related_name="differences")
    subject = models.CharField(max_length=255)
    """What it is about: ``refund:re_…``, ``charge:ch_…``, ``dispute:dp_…``, ``part:7``, ``payment:9``."""
    kind = models.CharField(max_length=24, choices=Kind, blank=True, default="")
    state = models.CharField(max_length=9, choices=State, default=State.SUSPECTED)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    ours = models.JSONField(default=dict)
    theirs = models.JSONField(default=dict)
    seen_at = models.DateTimeField(default=timezone.now)
    settled_at = models.DateTimeField(null=True, blank=True)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        """Constraints."""

        ordering = ("pk",)
        constraints = [models.UniqueConstraint(fields=["run", "subject"], name="difference_once_per_run")]
        indexes = [models.Index(fields=["run", "state", "id"], name="difference_of_run")]

    def __str__(self) -> str:
        """Kind and subject."""
        return f"{self.get_kind_display()}: {self.subject}"
