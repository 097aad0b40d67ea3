"""Cancels a refund that waits for the attendee, the only one that Stripe lets anybody cancel."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from registration.models import RefundPart
from registration.models.refund import State
from registration.services.errors import RefundError
from registration.services.resolve import refresh_part
from registration.services.settle import apply_snapshot
from registration.stripe_gateway import StripeProblem, gateway_for


def cancel_waiting(part: RefundPart, *, staff_user: Any) -> RefundPart:
    """Cancel at Stripe what waits for the attendee; its sum can be refunded again.

    Args:
        part: Only its key is trusted.
        staff_user: Who decided it.

    Returns:
        The part as it then stands.

    Raises:
        RefundError: It does not wait for the attendee, or Stripe did not cancel it; what Stripe says is recorded.
    """
    fresh = RefundPart.objects.select_related("refund__order__conference").get(pk=part.pk)
    if fresh.state != State.REQUIRES_ACTION or not fresh.stripe_refund_id:
        raise RefundError(_("Only a refund that waits for the attendee can be cancelled."))
    try:
        snapshot = gateway_for(fresh.refund.order.conference).cancel_refund(fresh.stripe_refund_id)
    except StripeProblem as problem:
        refresh_part(fresh)  # Whether it was cancelled after all, or moved on, only Stripe knows.
        fresh.refresh_from_db()
        if fresh.state != State.CANCELED:
            raise RefundError(_("It was not cancelled. %(advice)s") % {"advice": problem.advice}) from problem
        return fresh
    apply_snapshot(fresh, snapshot, actor=staff_user)
    fresh.refresh_from_db()
    return fresh
