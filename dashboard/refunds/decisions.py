"""What a second person reads before deciding about a proposed refund: who asked for what, and what would happen now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django import forms
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard.names import attendee_name, first_name
from dashboard.refunds.panel import money, preview_rows
from dashboard.templatetags.desk import moment, person
from registration.models import Order, Refund
from registration.models.refund import State
from registration.money import ZERO
from registration.said import why_refunded
from registration.sentences import sentence
from registration.services.approval import plan_of, why_not_decide
from registration.services.limits import total_of
from registration.ways import way_of

DECIDED = ("refund_approved", "refund_rejected", "refund_withdrawn")


class DecideForm(forms.Form):
    """The second person's word; the reason is needed for a no."""

    reason = forms.CharField(
        required=False,
        max_length=300,
        label=gettext_lazy("Reason for a rejection"),
        help_text=gettext_lazy("Whoever proposed it reads this."),
        widget=forms.Textarea({"rows": 2}),
    )
    balance_seen = forms.DecimalField(max_digits=12, decimal_places=2, min_value=ZERO, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        """A no without a reason is refused at the field."""
        said: dict[str, Any] = super().clean() or self.cleaned_data
        if self.data.get("action") == "reject" and not said.get("reason") and "reason" not in self.errors:
            self.add_error("reason", _("Say why it is rejected; whoever proposed it will read this."))
        return said


def decide_context(
    refund: Refund, user: Any, form: DecideForm | None = None, *, problem: str = "", changed: Sequence[str] = ()
) -> dict[str, Any]:
    """The proposal for one person who may have to decide about it.

    Args:
        refund: With its order and the proposer.
        user: Who looks; their own proposal they can only withdraw.
        form: What was sent and refused.
        problem: Why it was refused.
        changed: What happened since they looked.
    """
    order = refund.order
    return {
        "refund": refund,
        "order": order,
        "form": form or DecideForm(initial={"balance_seen": order.refundable_amount}),
        "attendee": attendee_name(order),
        "amount": money(order, refund.amount),
        "total": money(order, total_of(refund)),
        "facts": _facts(refund),
        "rows": [*preview_rows(order, plan_of(order, refund)), *_if_rejected(order, refund)],
        "first_name": first_name(order),
        "waits": refund.state == State.AWAITING_APPROVAL,
        "why_not": why_not_decide(refund, user),
        "is_own": refund.requested_by_id == user.pk,
        "problem": problem,
        "changed": changed,
        "order_url": reverse("order_detail", args=[order.reference]),
        "detail_url": reverse("refund_detail", args=[refund.pk]),
        "decide_url": reverse("refund_decide", args=[refund.pk]),
        "withdraw_url": reverse("refund_withdraw", args=[refund.pk]),
    }


def became_of(refund: Refund) -> str:
    """The last thing that was decided about a proposal that waits no more, by whom and when."""
    decided = refund.history.filter(kind__in=DECIDED).select_related("actor", "order").last()
    return f"{sentence(decided)}, {moment(decided.created_at)}." if decided else ""


def _facts(refund: Refund) -> list[tuple[str, str]]:
    """What was asked for, by whom and why."""
    proposer = person(refund.requested_by) if refund.requested_by else ""
    facts = [
        (_("Proposed by"), f"{proposer}, {moment(refund.created_at)}"),
        (_("Send to"), way_of(refund)),
        (_("Reason"), why_refunded(refund)),
        (_("Note"), refund.note),
    ]
    return [(label, value) for label, value in facts if value]


def _if_rejected(order: Order, refund: Refund) -> list[dict[str, str]]:
    left = money(order, order.refundable_amount + refund.amount)
    return [{"label": _("If rejected"), "now": _("%(amount)s can be refunded again") % {"amount": left}}]
