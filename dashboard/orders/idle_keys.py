"""Why a key does nothing at an order: the same words that its page, its row and its panels say it with."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from dashboard.access import why_not
from dashboard.credits.panels import apply_blocked
from dashboard.forms.credit import ApplyForm
from dashboard.orders.facts import useful_action
from dashboard.orders.rows import row_for
from registration.models import Order
from registration.services.planner import blocked_reason

CREDIT = "c"


def why_idle(order: Order, user: Any, key: str) -> str:
    """Headline and reason, on a line each, why ``key`` is not the order's key just now."""
    headline = _("No credit can be applied to %(order)s") if key == CREDIT else _("%(order)s cannot be refunded now")
    return headline % {"order": order.reference} + f"\n{_reason(order, user, key)}"


def _reason(order: Order, user: Any, key: str) -> str:
    permission = "registration.apply_credit" if key == CREDIT else "registration.refund_order"
    if not user.has_perm(permission):
        return why_not(permission)
    blocked = apply_blocked(order, ApplyForm(order=order)) if key == CREDIT else blocked_reason(order)
    return blocked or _what_comes_first(order, user)


def _what_comes_first(order: Order, user: Any) -> str:
    """What the order's row offers in its place; the panel itself is on the order's page."""
    read = row_for(order, user).record
    action = useful_action(read, user, blocked_reason(read), user.has_perm)
    if action is None:
        return _("Open the order to see what can be done.")
    return _("“%(action)s” comes first. Open the order to do something else.") % {"action": action.label}
