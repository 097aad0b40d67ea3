"""The moment between decided and sent: a refund can be taken back, and is sent when nobody did."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from registration.models import OpenItem, Order, Refund, RefundPart
from registration.models.refund import State
from registration.said import say
from registration.services.begin import begin
from registration.services.errors import RefundError
from registration.services.event_queue import queue_what_had_no_room
from registration.services.history import record
from registration.services.open_items import close_items
from registration.services.retries import is_one_too_many, reopen_failures
from registration.services.sending import send_part
from registration.services.settle import fail_unsent, settle_order
from registration.services.still_possible import why_not_any_more

logger = logging.getLogger(__name__)
LEAVE_TO_ITS_PAGE = timedelta(seconds=3)
"""The page that shows the seconds sends it itself; the worker comes a little later."""


@transaction.atomic
def undo_refund(refund: Refund, *, staff_user: Any) -> Refund:
    """Cancel a refund that was decided and not sent yet; its sum can be refunded again.

    One statement cancels the parts that were never marked as sent, against the one in ``sending`` that marks those
    that were never cancelled. Whichever the database lets through first wins, and the other changes nothing.

    Args:
        refund: Only its key is trusted; the row is read again under the order's lock.
        staff_user: Who takes it back.

    Raises:
        RefundError: It was sent, or is being sent; nothing changed.
    """
    order, fresh = lock(refund)
    unsent = RefundPart.objects.filter(refund=fresh, state=State.REQUESTED, sent_at__isnull=True)
    is_whole = fresh.state == State.REQUESTED and unsent.count() == fresh.parts.count()
    if not is_whole or unsent.update(state=State.CANCELED, settled_at=timezone.now()) != fresh.parts.count():
        # Raised inside the transaction: when only some parts could be cancelled, none is.
        raise RefundError(_("%(number)s cannot be undone: it is not waiting to be sent any more.") % {"number": fresh})
    fresh.state, fresh.hold_until = State.CANCELED, None
    fresh.save(update_fields=["state", "hold_until", "updated_at"])
    facts = {"number": fresh.number, "amount": fresh.amount, "currency": fresh.currency}
    record(order, "refund_undone", actor=staff_user, refund=fresh, facts=facts)
    for part in fresh.parts.all():
        close_items(
            OpenItem.Kind.UNSENT,
            f"part:{part.pk}",
            conference=order.conference,
            resolution=say("taken_back"),
            staff_user=staff_user,
        )
    reopen_failures(order, fresh)
    settle_order(order)
    queue_what_had_no_room(order)
    return fresh


def release_refund(refund: Refund) -> Refund:
    """End the time to undo a refund and send it. Safe to call at any time and from several processes.

    Returns:
        The refund as it then stands; one that was taken back stays so, and one that is not possible any more failed.
    """
    with transaction.atomic():
        order, fresh = lock(refund)
        if fresh.is_held:
            fresh.hold_until = None
            fresh.save(update_fields=["hold_until", "updated_at"])
            if why := why_not_any_more(order, fresh):
                fail_unsent(order, fresh, why)
            else:
                begin(order, fresh)
    return send_refund(fresh)


def end_late_retry(part: RefundPart) -> None:
    """End a retry that a crash kept from Stripe, when what it tries again has reached the attendee meanwhile.

    Whoever marks a part as sent waits for its lock, and finds it ended; what is marked already is left alone.
    """
    with transaction.atomic():
        order, fresh = lock(part.refund)
        parts = list(RefundPart.objects.select_for_update(no_key=True).filter(refund=fresh).order_by("pk"))
        is_unsent = all(each.state == State.REQUESTED and each.sent_at is None for each in parts)
        if is_unsent and not fresh.is_held and is_one_too_many(fresh):
            fail_unsent(order, fresh, say("refunded_meanwhile"))


def send_refund(refund: Refund) -> Refund:
    """Send each part that waits to be sent; returns the refund as it then stands."""
    for part in refund.parts.filter(channel=RefundPart.Channel.STRIPE, state=State.REQUESTED).order_by("pk"):
        send_part(part)
    refund.refresh_from_db()
    return refund


def send_due(limit: int | None = None, *, at_once: bool = False) -> int:
    """Send the refunds whose time to undo is over and whose page did not do it.

    Args:
        limit: At most this many.
        at_once: Do not wait for their pages (on start, none is open).

    Returns:
        How many were looked at.
    """
    until = timezone.now() if at_once else timezone.now() - LEAVE_TO_ITS_PAGE
    due = Refund.objects.filter(state=State.REQUESTED, hold_until__lte=until).order_by("hold_until")[:limit]
    for refund in (refunds := list(due)):
        try:
            release_refund(refund)
        except Exception:
            logger.exception("held_refund_not_sent refund=%s", refund.pk)
    return len(refunds)


def lock(refund: Refund) -> tuple[Order, Refund]:
    """Lock the order of a refund and read both again."""
    order = Order.objects.select_for_update(of=("self",), no_key=True).get(refunds=refund.pk)
    return order, Refund.objects.select_related("requested_by", "retry_of").get(pk=refund.pk)
