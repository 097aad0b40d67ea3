"""Parts that somebody pays back by hand: ticked off with a reference, or called off before that."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from registration.models import OpenItem, Order, Refund, RefundPart
from registration.models.refund import State
from registration.money import format_money
from registration.said import Sentence, say
from registration.services.errors import RefundError
from registration.services.history import record
from registration.services.limits import one_at_a_time, why_above_limit
from registration.services.open_items import close_items
from registration.services.retries import check_retry, close_failures, is_needless
from registration.services.settle import move_part, settle_order, settle_refund

WAITING = (State.AWAITING_TRANSFER,)


@transaction.atomic
def confirm_manual(part: RefundPart, *, reference: str, staff_user: Any, paid_anyway: bool = False) -> RefundPart:
    """Record that a manual transfer was made.

    Args:
        part: A part that awaits its transfer; only its key is trusted.
        reference: What finds the transfer again at the bank.
        staff_user: Who made it.
        paid_anyway: It was made before anybody saw that the same money had gone back another way.

    Raises:
        RefundError: No reference, nothing of this part waits for a transfer, or it tries a refund again whose money
            reached the attendee meanwhile.
    """
    reference = reference.strip()
    if not reference:
        raise RefundError(_("Enter the reference of the transfer."))
    Order.objects.select_for_update(of=("self",), no_key=True).get(refunds__parts=part.pk)
    fresh = RefundPart.objects.select_related("refund__order__conference").get(pk=part.pk)
    went_back = is_needless(fresh)
    if went_back and not paid_anyway:
        raise RefundError(_("The same money has gone back another way meanwhile. Call the transfer off."))
    reference = reference[:100]
    moved = move_part(fresh, State.SUCCEEDED, actor=staff_user, only_from=WAITING, trace_reference=reference)
    said = say("paid_by_hand_anyway" if went_back else "paid_by_hand", reference=reference)
    return _settled(fresh, moved, said, staff_user)


@transaction.atomic
def call_off_transfer(part: RefundPart, *, staff_user: Any) -> RefundPart:
    """Decide that a transfer is not made after all: nothing has left, and its sum can be refunded again.

    Args:
        part: A part that awaits its transfer; only its key is trusted.
        staff_user: Who decided it.

    Raises:
        RefundError: Nothing of this part waits for a transfer, for a colleague was first.
    """
    fresh = RefundPart.objects.select_related("refund__order__conference").get(pk=part.pk)
    moved = move_part(fresh, State.CANCELED, actor=staff_user, only_from=WAITING)
    return _settled(fresh, moved, say("called_off"), staff_user)


def _settled(part: RefundPart, moved: bool, resolution: Sentence, staff_user: Any) -> RefundPart:
    """The part as it then stands, its item closed."""
    if not moved:
        raise RefundError(_("Nothing here waits for a transfer."))
    close_items(
        OpenItem.Kind.MANUAL_TRANSFER,
        f"part:{part.pk}",
        conference=part.refund.order.conference,
        resolution=resolution,
        staff_user=staff_user,
    )
    part.refresh_from_db()
    return part


@transaction.atomic
def pay_by_hand_instead(failed: RefundPart, *, reference: str, staff_user: Any) -> RefundPart:
    """Record that what did not reach the card was paid back by a transfer instead.

    Args:
        failed: A part that failed; only its key is trusted.
        reference: What finds the transfer again at the bank.
        staff_user: Who made it.

    Returns:
        The new part, succeeded, of a refund that names the failed one.

    Raises:
        RefundError: No reference, it did not fail, that was settled already or is being tried again, less than that is
            left, or it is above the limit. Nothing changed.
    """
    if not reference.strip():
        raise RefundError(_("Enter the reference of the transfer."))
    order = Order.objects.select_for_update(of=("self",), no_key=True).get(refunds__parts=failed.pk)
    fresh = RefundPart.objects.select_related("refund", "payment").get(pk=failed.pk)
    amount = _left_of_failure(order, fresh)
    _refuse_by_hand(order, fresh, amount, staff_user)
    refund = Refund.objects.create(
        order=order,
        amount=amount,
        currency=fresh.currency,
        destination=Refund.Destination.CARD,
        stripe_reason=fresh.refund.stripe_reason,
        reason=fresh.refund.reason,
        retry_of=fresh.refund,
        requested_by=staff_user,
    )
    part = RefundPart.objects.create(
        refund=refund, payment=fresh.payment, channel=RefundPart.Channel.MANUAL, amount=amount
    )
    order.refresh_from_db()
    facts = {"number": refund.number, "amount": refund.amount, "currency": refund.currency, "total": order.total}
    facts |= {"destination": refund.destination, "refundable": order.refundable_amount, "channel": part.channel}
    record(order, "refund_requested", actor=staff_user, refund=refund, facts=facts)
    settle_refund(order, refund, actor=staff_user)
    settle_order(order)
    close_failures(order, refund, part=fresh, resolution=say("paid_by_hand_as", number=refund.number))
    return confirm_manual(part, reference=reference, staff_user=staff_user)


def _refuse_by_hand(order: Order, failed: RefundPart, amount: Decimal, staff_user: Any) -> None:
    one_at_a_time(order.conference, staff_user)
    check_retry(order, failed.refund, amount)
    left = min(failed.payment.refundable_amount, order.refundable_amount)
    if amount > left:
        raise RefundError(_("At most %(amount)s can be refunded.") % {"amount": format_money(left, order.currency)})
    if why := why_above_limit(order, amount, staff_user):
        raise RefundError(why)


def _left_of_failure(order: Order, failed: RefundPart) -> Decimal:
    """One failure is paid once: not after it was settled, and only as much of it as no retry has covered."""
    if failed.state not in (State.FAILED, State.CANCELED):
        raise RefundError(_("This refund did not fail, so there is nothing to pay by hand."))
    failures = OpenItem.objects.unresolved().filter(conference=order.conference_id, kind=OpenItem.Kind.FAILED)
    item = failures.filter(subject=f"part:{failed.pk}").first()
    if item is None:
        raise RefundError(_("This item has been settled already."))
    return Decimal(item.facts["amount"])
