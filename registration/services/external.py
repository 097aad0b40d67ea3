"""Refunds at Stripe, matched to ours or, when they were made elsewhere, taken into the books."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import IntegrityError, transaction

from registration.models import Conference, OpenItem, Order, Payment, Refund, RefundPart
from registration.models.refund import OVER, State
from registration.said import say
from registration.services.history import record
from registration.services.open_items import close_items, open_item, open_item_once
from registration.services.payment_lookup import find_payment
from registration.services.retries import close_failures
from registration.services.settle import STRIPE_STATES, apply_snapshot, keep_waiting_items, settle_order
from registration.stripe_snapshots import RefundSnapshot


def apply_refund(conference: Conference, snapshot: RefundSnapshot) -> RefundPart | None:
    """Bring one refund at Stripe and our books into agreement.

    Matched by our id in its metadata, then by its own id, never by its amount; what matches nothing was made
    elsewhere and is imported, or becomes an open item when we do not know the payment.

    Returns:
        The part that stands for it, if there is one.

    Raises:
        IntegrityError: The books have no room for it yet, because a refund of ours is under way for the same money;
            an open item shows it meanwhile.
    """
    part = find_part(conference, snapshot)
    if part is not None:
        apply_snapshot(part, snapshot)
        return part
    if state_of(snapshot) in OVER:
        return None  # Nothing moved, and nothing in the books says that something did.
    payment = find_payment(conference, intent_id=snapshot.payment_intent_id, charge_id=snapshot.charge_id)
    if payment is None or payment.currency != snapshot.currency:
        open_item_once(OpenItem.Kind.UNMATCHED, snapshot.id, conference=conference, facts=facts_of(snapshot))
        return None
    try:
        return import_refund(payment, snapshot)
    except IntegrityError:
        show(payment, snapshot, refund=None)
        raise


def find_part(conference: Conference, snapshot: RefundSnapshot) -> RefundPart | None:
    """The part that a refund at Stripe belongs to."""
    parts = RefundPart.objects.filter(refund__order__conference=conference).select_related("payment")
    ours = parts.filter(uuid=key).first() if (key := uuid_or_none(snapshot.metadata.get("part", ""))) else None
    if ours is not None and stands_for(ours, snapshot):
        return ours
    return parts.filter(stripe_refund_id=snapshot.id).first()


def stands_for(part: RefundPart, snapshot: RefundSnapshot) -> bool:
    """Whether the part that a refund names is really its own.

    Only a part that goes through Stripe, from the same payment. Not when it has another refund already or is over
    another sum, and not when it was ended without one: money that moved after all must show in the books, and an ended
    part never comes back to life.

    Args:
        part: Reads its payment.
        snapshot: Its metadata names the part; anybody at Stripe can copy that.
    """
    if part.channel != RefundPart.Channel.STRIPE:
        return False
    if part.stripe_refund_id:
        return part.stripe_refund_id == snapshot.id
    if (part.amount, part.currency) != (snapshot.amount, snapshot.currency) or not _is_of(part.payment, snapshot):
        return False
    return part.state not in OVER or state_of(snapshot) in OVER


def _is_of(payment: Payment, snapshot: RefundSnapshot) -> bool:
    """Whether a refund is of a payment, by the first name both have for it: an intent can have had several charges."""
    names = (
        (payment.stripe_payment_intent_id, snapshot.payment_intent_id),
        (payment.stripe_charge_id, snapshot.charge_id),
    )
    return next((ours == theirs for ours, theirs in names if ours and theirs), True)


def uuid_or_none(text: str) -> uuid.UUID | None:
    """Metadata can be written by anybody with access to Stripe."""
    try:
        return uuid.UUID(text)
    except ValueError:
        return None


def state_of(snapshot: RefundSnapshot) -> str:
    """Our name for its state; one that Stripe adds in future means that Stripe has it."""
    return STRIPE_STATES.get(snapshot.status, State.PENDING)


@transaction.atomic
def import_refund(payment: Payment, snapshot: RefundSnapshot) -> RefundPart:
    """Take a refund that was made elsewhere into the books; the balance falls at once, and staff see an item.

    One of ours that was ended as never received and turns up after all is what its failure waited for.
    """
    order = Order.objects.select_for_update(no_key=True).get(pk=payment.order_id)
    known = RefundPart.objects.filter(stripe_refund_id=snapshot.id).first()
    if known is not None:  # Another worker was first, while we waited for the lock.
        return known
    ended = _ended_part(payment, snapshot)
    refund = Refund.objects.create(
        order=order,
        retry_of=ended.refund if ended else None,
        amount=snapshot.amount,
        currency=snapshot.currency,
        destination=Refund.Destination.CARD,
        source=Refund.Source.EXTERNAL,
        state=state_of(snapshot),
    )
    part = RefundPart.objects.create(
        refund=refund, payment=payment, channel=RefundPart.Channel.STRIPE, **columns_of(snapshot)
    )
    facts = facts_of(snapshot) | {"number": refund.number, "instrument": payment.tender}
    record(order, "refund_external", refund=refund, facts=facts)
    settle_order(order)
    close_items(
        OpenItem.Kind.UNMATCHED,
        snapshot.id,
        conference=order.conference,
        resolution=say("matched", order=order.reference),
    )
    show(payment, snapshot, refund=refund)
    keep_waiting_items(order, part)
    close_failures(order, refund, part=ended, resolution=say("arrived_after_all", number=refund.number))
    return part


def _ended_part(payment: Payment, snapshot: RefundSnapshot) -> RefundPart | None:
    """The part that a refund was sent for, when that was given up before Stripe's answer was known."""
    parts = payment.refund_parts.filter(state__in=OVER, stripe_refund_id=None, amount=snapshot.amount)
    key = uuid_or_none(snapshot.metadata.get("part", ""))
    return parts.select_related("refund").filter(uuid=key, sent_at__isnull=False).first() if key else None


def columns_of(snapshot: RefundSnapshot) -> dict[str, Any]:
    """What a part keeps of a refund at Stripe."""
    return {
        "amount": snapshot.amount,
        "currency": snapshot.currency,
        "state": state_of(snapshot),
        "stripe_refund_id": snapshot.id,
        "stripe_request_id": snapshot.request_id,
        "stripe_status": snapshot.status,
        "failure_reason": snapshot.failure_reason,
        "pending_reason": snapshot.pending_reason,
        "trace_reference": snapshot.trace_reference,
        "act_by": snapshot.act_by,
        "sent_at": snapshot.created,
        "accepted_at": snapshot.created,
        "settled_at": snapshot.created,
    }


def facts_of(snapshot: RefundSnapshot) -> dict[str, str]:
    """What staff need to find it at Stripe; the amount in major units."""
    return {
        "amount": str(snapshot.amount),
        "currency": snapshot.currency,
        "refund_id": snapshot.id,
        "charge_id": snapshot.charge_id,
        "payment_intent_id": snapshot.payment_intent_id,
    }


def show(payment: Payment, snapshot: RefundSnapshot, *, refund: Refund | None) -> None:
    """Open the item that staff acknowledge; one that waits for its refund's row is given it."""
    item = open_item(
        OpenItem.Kind.EXTERNAL,
        snapshot.id,
        conference=payment.order.conference,
        order=payment.order,
        refund=refund,
        payment=payment,
        facts=facts_of(snapshot),
    )
    if refund is not None and item.refund_id is None:
        item.refund = refund
        item.save(update_fields=["refund"])
