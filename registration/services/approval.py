"""Refunds above somebody's limit: proposed by one person, approved or rejected by another."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from registration.models import OpenItem, Order, Refund
from registration.models.refund import State
from registration.money import ZERO, format_money
from registration.said import Sentence, say
from registration.services.begin import begin
from registration.services.errors import RefundError, StaleBalance
from registration.services.event_queue import queue_what_had_no_room
from registration.services.history import record
from registration.services.limits import one_at_a_time, total_of, why_above_limit
from registration.services.open_items import close_items, open_item
from registration.services.planner import PlannedPart, RefundPlan, status_after
from registration.services.settle import settle_order
from registration.services.still_possible import why_not_any_more
from registration.services.undo import lock, send_refund

APPROVE = "registration.approve_refund"
GOODWILL = "registration.refund_goodwill"


def ask_for_approval(order: Order, refund: Refund) -> None:
    """Put a proposal where a second person finds it. The caller holds the order's lock."""
    open_item(
        OpenItem.Kind.APPROVAL,
        _subject(refund),
        conference=order.conference,
        order=order,
        refund=refund,
        facts={"amount": str(refund.amount), "currency": refund.currency},
    )


def approve_refund(refund: Refund, *, staff_user: Any, balance_seen: Decimal | None = None) -> Refund:
    """Let a proposed refund go ahead: everything is checked again, then it is sent like any other.

    Args:
        refund: Only its key is trusted; the row is read again under the order's lock.
        staff_user: The second person.
        balance_seen: The refundable balance that they saw.

    Returns:
        The refund as it stands after it was sent.

    Raises:
        RefundError: It is their own, they may not, it was decided already, or it is not possible any more.
        StaleBalance: The order's balance changed since they looked.
    """
    with transaction.atomic(durable=True):
        order, fresh = lock(refund)
        check_may_decide(fresh, staff_user)
        if balance_seen is not None and balance_seen != order.refundable_amount:
            raise StaleBalance(_("The order changed since you opened this. Look again, then decide."), order)
        check_again(order, fresh)
        one_at_a_time(order.conference, staff_user)
        if above := why_above_limit(order, total_of(fresh), staff_user):
            raise RefundError(above)
        _decide(order, fresh, State.REQUESTED, staff_user, resolution=say("approved"))
        begin(order, fresh)
    return send_refund(fresh)


@transaction.atomic
def reject_refund(refund: Refund, *, staff_user: Any, reason: str) -> Refund:
    """Say no to a proposed refund; its sum can be refunded again.

    Args:
        refund: Only its key is trusted; the row is read again under the order's lock.
        staff_user: The second person.
        reason: Why, in words the proposer will read.

    Raises:
        RefundError: No reason, or as for an approval.
    """
    if not (reason := reason.strip()):
        raise RefundError(_("Say why it is rejected; whoever proposed it will read this."))
    order, fresh = lock(refund)
    check_may_decide(fresh, staff_user)
    fresh.refusal = reason
    _decide(order, fresh, State.REJECTED, staff_user, resolution=say("rejected", reason=reason))
    settle_order(order)
    queue_what_had_no_room(order)
    return fresh


@transaction.atomic
def withdraw_refund(refund: Refund, *, staff_user: Any) -> Refund:
    """Take one's own proposal back; its sum can be refunded again.

    Raises:
        RefundError: It is somebody else's, or was decided already.
    """
    order, fresh = lock(refund)
    check_waits(fresh)
    if fresh.requested_by_id != staff_user.pk:
        raise RefundError(_("Only whoever proposed it can withdraw it."))
    _end_waiting(order, fresh, State.REJECTED, staff_user, resolution=say("withdrawn"))
    record(order, "refund_withdrawn", actor=staff_user, refund=fresh, facts=_facts(fresh))
    settle_order(order)
    queue_what_had_no_room(order)
    return fresh


def check_may_decide(refund: Refund, staff_user: Any) -> None:
    """Refuse who may not decide about this proposal.

    Raises:
        RefundError: As ``why_not_decide`` says, or it was decided already.
    """
    check_waits(refund)
    if sentence := why_not_decide(refund, staff_user):
        raise RefundError(sentence)


def why_not_decide(refund: Refund, staff_user: Any) -> str:
    """Why this person cannot decide about a proposal; empty when they can."""
    if refund.requested_by_id == staff_user.pk:
        return _("You proposed this refund yourself. A second person must decide.")
    if not staff_user.has_perm(APPROVE):
        return _("Your role cannot approve refunds. Ask Finance.")
    if refund.destination == Refund.Destination.CARD_AND_CREDIT and not staff_user.has_perm(GOODWILL):
        return _("Your role cannot pay out twice. Ask Finance.")
    return ""


def check_waits(refund: Refund) -> None:
    """Refuse what was decided already.

    Raises:
        RefundError: Saying by whom.
    """
    if refund.state == State.AWAITING_APPROVAL:
        return
    who = refund.decided_by
    name = (who.get_full_name() or who.get_username()) if who is not None else ""
    values = {"number": refund.number, "who": name}
    if name:
        raise RefundError(_("%(who)s has decided about %(number)s already. Nothing was changed.") % values)
    raise RefundError(_("%(number)s does not wait for approval. Nothing was changed.") % values)


def check_again(order: Order, refund: Refund) -> None:
    """Refuse a proposal that is not possible any more.

    Raises:
        RefundError: Saying why, and what to do.
    """
    if why := why_not_any_more(order, refund):
        raise RefundError(_("%(why)s Reject this proposal.") % {"why": why})


def plan_of(order: Order, refund: Refund) -> RefundPlan:
    """What approving a proposal would do now. Its sum is reserved already, so the balance does not fall again."""
    parts = refund.parts.select_related("payment__credit")
    return RefundPlan(
        amount=refund.amount,
        currency=refund.currency,
        fee_amount=refund.fee_amount,
        destination=refund.destination,
        parts=tuple(PlannedPart(part.payment, part.channel, part.amount) for part in parts),
        refundable_before=order.refundable_amount + refund.amount,
        refundable_after=order.refundable_amount,
        status_before=order.status,
        status_after=status_after(order, ZERO),
    )


def _decide(order: Order, refund: Refund, state: str, staff_user: Any, *, resolution: Sentence) -> None:
    refund.decided_by, refund.decided_at = staff_user, timezone.now()
    _end_waiting(order, refund, state, staff_user, resolution=resolution)
    kind = "refund_approved" if state == State.REQUESTED else "refund_rejected"
    record(order, kind, actor=staff_user, refund=refund, facts=_facts(refund))


def _end_waiting(order: Order, refund: Refund, state: str, staff_user: Any, *, resolution: Sentence) -> None:
    refund.parts.update(state=state, **({"settled_at": timezone.now()} if state == State.REJECTED else {}))
    refund.state = state
    refund.save(update_fields=["state", "refusal", "decided_by", "decided_at", "updated_at"])
    close_items(
        OpenItem.Kind.APPROVAL,
        _subject(refund),
        conference=order.conference,
        resolution=resolution,
        staff_user=staff_user,
    )


def _facts(refund: Refund) -> dict[str, Any]:
    proposer = refund.requested_by
    name = (proposer.get_full_name() or proposer.get_username()) if proposer is not None else ""
    facts = {"number": refund.number, "amount": refund.amount, "currency": refund.currency, "proposer": name}
    return facts | ({"reason": refund.refusal} if refund.refusal else {})


def _subject(refund: Refund) -> str:
    return f"refund:{refund.pk}"


def waiting_words(refund: Refund) -> str:
    """What is said of a proposal that waits, wherever it is shown."""
    return _("%(number)s over %(amount)s waits for a second person; the amount is reserved until then.") % {
        "number": refund.number,
        "amount": format_money(refund.amount, refund.currency),
    }
