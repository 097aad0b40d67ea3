"""How a refund that came to nothing ended, where its state alone does not say it."""

from __future__ import annotations

from typing import Any

from django.db.models import OuterRef, Q, Subquery
from django.db.models.lookups import IsNull
from django.utils.translation import gettext_lazy as _

from registration.models import Refund, RefundPart
from registration.models.refund import State

WITHDRAWN, UNDONE = "withdrawn", "undone"
LABELS: dict[str, Any] = {WITHDRAWN: _("Withdrawn"), UNDONE: _("Undone")}
TELLS_TWO_ENDS = (State.CANCELED, State.REJECTED)
"""States that somebody here, or somebody else, may have brought about."""


def ended_as(refund: Refund) -> str:
    """Its state, or that whoever proposed it withdrew it or that it was undone before it was sent.

    Reads ``refund.parts`` of one that was cancelled.
    """
    if refund.state == State.REJECTED and refund.decided_by_id is None:
        return WITHDRAWN
    if refund.state == State.CANCELED and _was_undone(list(refund.parts.all())):
        return UNDONE
    return str(refund.state)


def _was_undone(parts: list[RefundPart]) -> bool:
    """Whether nothing of it ever was at Stripe; one without parts came from elsewhere, and nobody knows."""
    return bool(parts) and not any(part.sent_at or part.stripe_refund_id for part in parts)


def ended_label(refund: Refund) -> str:
    """The same in words."""
    ended = ended_as(refund)
    return str(LABELS.get(ended) or State(ended).label)


def that_ended(how: str) -> Q:
    """Refunds that ``ended_as`` says so of, for the two states that tell two ends and for both others."""
    if how in (WITHDRAWN, State.REJECTED):
        return Q(state=State.REJECTED, decided_by__isnull=how == WITHDRAWN)
    parts = RefundPart.objects.filter(refund=OuterRef("pk")).order_by().values("pk")
    sent = parts.filter(Q(sent_at__isnull=False) | Q(stripe_refund_id__isnull=False))
    # Asked of each of the few that were cancelled; for EXISTS a database would first gather the parts of all refunds.
    was_undone = Q(IsNull(Subquery(parts[:1]), False)) & Q(IsNull(Subquery(sent[:1]), True))
    return Q(was_undone if how == UNDONE else ~was_undone, state=State.CANCELED)
