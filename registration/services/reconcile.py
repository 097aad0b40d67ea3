"""Compares the books with Stripe's own list of refunds, for events can be lost and endpoints switched off."""

from __future__ import annotations

import logging
from collections import Counter
from datetime import datetime

from registration.models import Conference, RefundPart
from registration.models.refund import OVER, State
from registration.services.external import apply_refund, find_part, state_of
from registration.stripe_gateway import StripeProblem, gateway_for
from registration.stripe_snapshots import RefundSnapshot

UNSETTLED = (State.PENDING, State.REQUIRES_ACTION)

logger = logging.getLogger(__name__)


def reconcile(conference: Conference, since: datetime) -> Counter[str]:
    """Bring every refund made at Stripe since then, and every unsettled one of ours, up to date.

    Args:
        conference: Whose Stripe account is read.
        since: How far back; a refund can still fail about 30 days after it was made.

    Returns:
        How many refunds were ``agreed`` already, ``corrected`` now, ``unmatched`` (an open item) or ``failed``.

    Raises:
        StripeProblem: Stripe could not be asked.
    """
    outcome: Counter[str] = Counter()
    for snapshot in gateway_for(conference).list_refunds_since(since):
        outcome[bring_in(conference, snapshot)] += 1
    older = RefundPart.objects.filter(
        refund__order__conference=conference, state__in=UNSETTLED, stripe_refund_id__isnull=False, created_at__lt=since
    )
    for part in older.order_by("pk"):
        outcome[look_again(conference, part)] += 1
    return outcome


def bring_in(conference: Conference, snapshot: RefundSnapshot) -> str:
    """Make the books agree with one refund, and say whether they did before."""
    if agrees(conference, snapshot):
        return "agreed"
    try:
        part = apply_refund(conference, snapshot)
    except Exception:
        logger.exception("refund_not_reconciled conference=%s refund=%s", conference.slug, snapshot.id)
        return "failed"
    return "unmatched" if part is None else "corrected"


def agrees(conference: Conference, snapshot: RefundSnapshot) -> bool:
    """Whether the books say of a refund what Stripe says."""
    part = find_part(conference, snapshot)
    if part is None:
        return state_of(snapshot) in OVER
    return part.state == state_of(snapshot) and part.stripe_refund_id == snapshot.id


def look_again(conference: Conference, part: RefundPart) -> str:
    """Fetch one refund that has been unsettled for long."""
    try:
        snapshot = gateway_for(conference).fetch_refund(part.stripe_refund_id or "")
    except StripeProblem as problem:
        logger.warning("refund_not_fetched refund=%s code=%s", part.stripe_refund_id, problem.code)
        return "failed"
    return bring_in(conference, snapshot)
