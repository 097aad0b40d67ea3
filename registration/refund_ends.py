"""How a refund ended of which all or some came to nothing, where its state alone does not say it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db.models import OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.db.models.lookups import IsNull
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from registration.models import HistoryEntry, Refund, RefundPart
from registration.models.refund import OVER, State
from registration.money import ZERO, format_money
from registration.services.retries import GAVE_WAY

WITHDRAWN, UNDONE, PARTLY = "withdrawn", "undone", "partly"
LABELS: dict[str, Any] = {WITHDRAWN: _("Withdrawn"), UNDONE: _("Undone"), PARTLY: _("Partly succeeded")}
MANUAL = RefundPart.Channel.MANUAL
TAKEN_BACK = "refund_undone"
"""The kind of the history entry that an undo leaves."""
TELLS_TWO_ENDS = (State.CANCELED, State.REJECTED)
"""States that somebody here, or somebody else, may have brought about."""


def ended_as(refund: Refund) -> str:
    """Its state, or that whoever proposed it withdrew it or that it was undone before it was sent.

    Reads ``refund.parts`` of one that was cancelled.
    """
    if refund.state == State.REJECTED and refund.decided_by_id is None:
        return WITHDRAWN
    if refund.state == State.CANCELED and _was_undone(refund, list(refund.parts.all())):
        return UNDONE
    return str(refund.state)


def _was_undone(refund: Refund, parts: list[RefundPart]) -> bool:
    """Whether it was cancelled here before any of it was at Stripe.

    A transfer never is there, and may have been called off later: the history of the few such refunds tells.
    """
    if any(part.sent_at or part.stripe_refund_id for part in parts):
        return False
    if any(part.channel != MANUAL for part in parts):
        return True
    return refund.history.filter(kind=TAKEN_BACK).exists()


def ended_label(refund: Refund) -> str:
    """The same in words."""
    ended = shown_as(refund)
    return str(LABELS.get(ended) or State(ended).label)


def shown_as(refund: Refund) -> str:
    """The same, or that only some of it succeeded. Reads ``refund.parts``."""
    return PARTLY if refund.state == State.SUCCEEDED and not_gone(refund) else ended_as(refund)


def not_gone(refund: Refund) -> Decimal:
    """How much failed, or was called off, of a refund whose rest goes on, in its currency. Reads ``refund.parts``."""
    if refund.state in OVER:
        return ZERO
    ended = (part for part in refund.parts.all() if part.state in OVER and part.failure_reason != GAVE_WAY)
    return sum((part.amount for part in ended), ZERO)


def how_much_goes(refund: Refund) -> str:
    """What goes or went back where that is not all of it; else empty. Reads ``refund.parts``."""
    missing = not_gone(refund)
    if not missing:
        return ""
    values = {"amount": refund.amount - missing, "whole": refund.amount}
    text = (
        gettext("%(amount)s of %(whole)s goes back") if refund.is_open else gettext("%(amount)s of %(whole)s went back")
    )
    return text % {name: format_money(amount, refund.currency) for name, amount in values.items()}


def that_ended(how: str) -> Q:
    """Refunds that ``ended_as`` says so of, for the two states that tell two ends and for both others."""
    if how in (WITHDRAWN, State.REJECTED):
        return Q(state=State.REJECTED, decided_by__isnull=how == WITHDRAWN)
    parts = RefundPart.objects.filter(refund=OuterRef("pk")).order_by().values("pk")
    taken_back = HistoryEntry.objects.filter(refund=OuterRef("pk"), kind=TAKEN_BACK).order_by().values("pk")
    sent = parts.filter(Q(sent_at__isnull=False) | Q(stripe_refund_id__isnull=False))
    # Asked of each of the few that were cancelled; for EXISTS a database would first gather the parts of all refunds.
    told = Coalesce(Subquery(parts.exclude(channel=MANUAL)[:1]), Subquery(taken_back[:1]))
    was_undone = Q(IsNull(told, False)) & Q(IsNull(Subquery(sent[:1]), True))
    return Q(was_undone if how == UNDONE else ~was_undone, state=State.CANCELED)
