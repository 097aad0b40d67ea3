"""The duplicate radar of the refund panel: who got the same amount lately, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _

from dashboard.forms.refund import RefundForm
from dashboard.templatetags.desk import moment, person
from registration.money import format_money
from registration.services.duplicates import Similar


@dataclass(frozen=True)
class Echo:
    """One refund that looks the same."""

    number: str
    url: str
    text: str


def radar_context(form: RefundForm, name: str) -> dict[str, Any]:
    """What the radar shows for the amount that is filled in; nothing when nobody got it lately.

    Args:
        form: With its plan.
        name: What the panel calls the attendee.
    """
    similar, plan = form.similar, form.plan
    amount = format_money(plan.amount, form.order.currency) if plan else ""
    return {
        "echoes": [_echo(each) for each in similar],
        "radar_title": _title(similar, amount, name),
        "is_repeat": form.is_repeat,
        "repeat_value": str(plan.amount) if plan else "",
        "repeat_amount": amount,
        "repeat_confirmed": form.has_confirmed_repeat,
    }


def _title(similar: list[Similar], amount: str, name: str) -> str:
    values = {"amount": amount, "name": name}
    if any(each.same_order for each in similar):
        return _("%(amount)s of this order was refunded before.") % values
    if any(each.same_person for each in similar):
        return _("%(name)s got %(amount)s back lately.") % values
    return _("%(amount)s went back lately to a card with the same last four digits.") % values


def _echo(each: Similar) -> Echo:
    refund = each.refund
    who = person(refund.requested_by) if refund.requested_by else str(refund.get_source_display())
    words = [refund.order.reference, str(refund.get_state_display()), who, moment(refund.created_at)]
    if not each.same_person:
        words.insert(1, refund.order.billing_name or person(refund.order.user))
    return Echo(refund.number, reverse("refund_detail", args=[refund.pk]), ", ".join(words))
