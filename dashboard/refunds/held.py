"""Refunds that can still be undone: the toast that counts the seconds, and who has to show it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _

from dashboard.names import attendee_name
from dashboard.refunds.panel import money, where
from registration.models import Order, Refund, RefundPart

Channel = RefundPart.Channel
SESSION_KEY = "held_refunds"
SHOWN = 4


@dataclass(frozen=True)
class Undo:
    """For how many seconds a refund can still be undone, and where."""

    seconds: int
    url: str


@dataclass(frozen=True)
class Held:
    """One refund that is sent when its seconds are over, unless somebody undoes it."""

    refund: Refund
    headline: str
    sending: str
    text: str
    then: str
    """What happens when nobody undoes it."""
    at_once: str
    """What the button that does not wait for that is called."""
    undo: Undo
    page_url: str
    send_url: str


def remember(request: HttpRequest, refund: Refund) -> None:
    """Show the toast on the next pages of this session too: its page is what sends the refund on time."""
    known = [key for key in request.session.get(SESSION_KEY, []) if key != refund.pk]
    request.session[SESSION_KEY] = [*known, refund.pk][-SHOWN:]


def held_of(request: HttpRequest) -> list[Held]:
    """What this session decided and can still undo; what is over is forgotten."""
    keys = request.session.get(SESSION_KEY) if hasattr(request, "session") else None
    if not keys:
        return []
    refunds = Refund.objects.filter(pk__in=keys, state=Refund.State.REQUESTED, hold_until__isnull=False)
    visible: Any = Order.objects.visible_to(request.user)
    refunds = refunds.filter(order__in=visible)
    found = [held(refund) for refund in refunds.select_related("order__conference", "order__user").order_by("pk")]
    if len(found) < len(keys):
        request.session[SESSION_KEY] = [each.refund.pk for each in found]
    return found


def held(refund: Refund) -> Held:
    """The words about one refund that waits to be sent."""
    order = refund.order
    parts = list(refund.parts.select_related("payment__credit"))
    headline, sending, then, at_once = _ending({part.channel for part in parts})
    goes = ", ".join(f"{money(order, part.amount)} {where(part)}" for part in parts)
    return Held(
        refund=refund,
        headline=headline % {"amount": money(order, refund.amount)},
        sending=sending % {"amount": money(order, refund.amount)},
        text=f"{order.reference}, {attendee_name(order)}: {goes}.",
        then=then,
        at_once=at_once,
        undo=undo_of(refund),
        page_url=reverse("refund_detail", args=[refund.pk]),
        send_url=reverse("refund_send", args=[refund.pk]),
    )


def _ending(channels: set[str]) -> tuple[str, str, str, str]:
    """What is about to happen to an amount and then happens, how that is said, its button: only Stripe is sent any."""
    if Channel.STRIPE in channels:
        about_to, doing = _("%(amount)s is about to be sent"), _("%(amount)s is being sent")
        return about_to, doing, _("Then it is sent by itself."), _("Send now")
    if Channel.MANUAL in channels:
        about_to, doing = (
            _("%(amount)s is about to be recorded, to pay back by hand"),
            _("%(amount)s is being recorded"),
        )
        return about_to, doing, _("Then it is recorded by itself, and somebody pays it back by hand."), _("Record now")
    about_to, doing = (
        _("%(amount)s is about to be given as store credit"),
        _("%(amount)s is being given as store credit"),
    )
    return about_to, doing, _("Then it is given by itself."), _("Give now")


def undo_of(refund: Refund) -> Undo:
    """What takes it back; reads nothing but the refund."""
    return Undo(seconds_left(refund), reverse("refund_undo", args=[refund.pk]))


def seconds_left(refund: Refund) -> int:
    """How many seconds it can still be undone for; 0 when it is due."""
    if refund.hold_until is None:
        return 0
    return max(0, math.ceil((refund.hold_until - timezone.now()).total_seconds()))
