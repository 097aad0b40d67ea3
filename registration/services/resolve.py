"""Finishes what a crash, a timeout or a busy Stripe left open. Safe to run many at once."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from registration.models import Refund, RefundPart
from registration.models.refund import State
from registration.services.sending import send_part
from registration.services.settle import apply_snapshot
from registration.services.undo import send_due
from registration.stripe_gateway import StripeProblem, gateway_for

logger = logging.getLogger(__name__)
Channel = RefundPart.Channel
LEAVE_TO_ITS_REQUEST = timedelta(seconds=60)
"""A part this young is probably being sent by the request that wrote it."""


def resolve_open(limit: int | None = None, *, at_once: bool = False) -> Counter[str]:
    """Send or look up every part whose outcome is not known, and what could be undone until now.

    Args:
        limit: At most this many parts.
        at_once: Do not wait for young parts either (on start, nobody else is sending).

    Returns:
        How many parts ended up in which state.
    """
    send_due(limit, at_once=at_once)
    parts = RefundPart.objects.filter(
        channel=Channel.STRIPE, state__in=(State.REQUESTED, State.UNCONFIRMED), refund__hold_until__isnull=True
    )
    if not at_once:
        young = Q(state=State.REQUESTED, created_at__gt=timezone.now() - LEAVE_TO_ITS_REQUEST)
        parts = parts.exclude(young)
    keys = parts.order_by("pk").values_list("pk", flat=True)[:limit]
    return Counter(_state_after_sending(key) for key in list(keys))


def _state_after_sending(key: int) -> str:
    """Send one part; what goes wrong with it is logged and does not hold up the others."""
    try:
        return send_part(RefundPart(pk=key)).state
    except Exception:
        logger.exception("refund_part_not_resolved part=%s", key)
        return RefundPart.objects.values_list("state", flat=True).get(pk=key)


def resolve_refund(refund: Refund) -> Refund:
    """Ask Stripe now what became of one refund ("Check now")."""
    for part in refund.parts.filter(channel=Channel.STRIPE).order_by("pk"):
        if part.state in (State.REQUESTED, State.UNCONFIRMED):
            send_part(part)
        elif part.stripe_refund_id:
            refresh_part(part)
    refund.refresh_from_db()
    return refund


def refresh_part(part: RefundPart) -> bool:
    """Fetch one part's refund from Stripe and record it; a Stripe that does not answer changes nothing."""
    try:
        gateway = gateway_for(part.refund.order.conference)
        return apply_snapshot(part, gateway.fetch_refund(part.stripe_refund_id or ""))
    except StripeProblem:
        return False
