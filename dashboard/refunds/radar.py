"""The duplicate radar of the refund panel: who got the same amount lately, in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext_lazy

from dashboard.forms.refund import RefundForm
from dashboard.names import attendee_name
from dashboard.templatetags.desk import moment, person
from registration.models.refund import ACCEPTED, State
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


WENT, ON_ITS_WAY, PROPOSED = "went", "on its way", "proposed"
ON_THE_ORDER = {
    WENT: gettext_lazy("%(amount)s of this order was refunded before."),
    ON_ITS_WAY: gettext_lazy("A refund of %(amount)s of this order is under way already."),
    PROPOSED: gettext_lazy("A refund of %(amount)s of this order waits for approval already."),
}
TO_THE_PERSON = {
    WENT: gettext_lazy("%(name)s got %(amount)s back lately."),
    ON_ITS_WAY: gettext_lazy("A refund of %(amount)s to %(name)s is under way already."),
    PROPOSED: gettext_lazy("A refund of %(amount)s to %(name)s waits for approval already."),
}
TO_THE_CARD = {
    WENT: gettext_lazy("%(amount)s went back lately to a card with the same last four digits."),
    ON_ITS_WAY: gettext_lazy("A refund of %(amount)s to a card with the same last four digits is under way already."),
    PROPOSED: gettext_lazy("A refund of %(amount)s to a card with the same last four digits waits for approval."),
}


def _title(similar: list[Similar], amount: str, name: str) -> str:
    """The nearest of them in one sentence, and of those what came furthest."""
    on_order = [each for each in similar if each.same_order]
    to_person = [each for each in similar if each.same_person]
    if on_order:
        words, nearest = ON_THE_ORDER, on_order
    elif to_person:
        words, nearest = TO_THE_PERSON, to_person
    else:
        words, nearest = TO_THE_CARD, similar
    return str(words[_how_far(nearest)]) % {"amount": amount, "name": name}


def _how_far(similar: list[Similar]) -> str:
    states = {each.refund.state for each in similar}
    if states & set(ACCEPTED):
        return WENT
    return PROPOSED if states == {State.AWAITING_APPROVAL} else ON_ITS_WAY


def _echo(each: Similar) -> Echo:
    refund = each.refund
    who = person(refund.requested_by) if refund.requested_by else str(refund.get_source_display())
    words = [refund.order.reference, str(refund.get_state_display()), who, moment(refund.created_at)]
    if not each.same_person:
        words.insert(1, attendee_name(refund.order))
    return Echo(refund.number, reverse("refund_detail", args=[refund.pk]), ", ".join(words))
