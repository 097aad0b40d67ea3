"""Disputes: kept on the payment, so that refunds are refused with date and reason, and shown to staff."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from registration.models import Conference, OpenItem, Order, Payment
from registration.said import say
from registration.services.charged_back import show_charged_back
from registration.services.history import record
from registration.services.open_items import close_items, open_item, open_item_once
from registration.services.payment_lookup import find_payment
from registration.stripe_snapshots import DisputeSnapshot

CLOSED = ("won", "lost", "warning_closed", "prevented")


def apply_dispute(conference: Conference, snapshot: DisputeSnapshot, *, opened: int | None = None) -> Payment | None:
    """Keep what Stripe says about a dispute.

    Args:
        conference: Whose Stripe account it came from.
        snapshot: The dispute as Stripe has it now.
        opened: When it was opened (epoch seconds); it never changes.

    Returns:
        The payment it is about, if we know it.
    """
    payment = find_payment(conference, intent_id=snapshot.payment_intent_id, charge_id=snapshot.charge_id)
    if payment is None:
        open_item_once(OpenItem.Kind.UNMATCHED, snapshot.id, conference=conference, facts=facts_of(snapshot))
        return None
    keep(payment, snapshot, opened)
    return payment


@transaction.atomic
def keep(payment: Payment, snapshot: DisputeSnapshot, opened: int | None) -> None:
    """Store the dispute on its payment and settle what follows, under the order's lock."""
    order = Order.objects.select_for_update(no_key=True).get(pk=payment.order_id)
    payment.refresh_from_db()
    before = payment.dispute or {}
    payment.dispute = {
        "id": snapshot.id,
        "status": snapshot.status,
        "reason": snapshot.reason,
        "amount": str(snapshot.amount),
        "currency": snapshot.currency,
        "created": opened or before.get("created"),
        "due_by": int(snapshot.due_by.timestamp()) if snapshot.due_by else None,
        "is_charge_refundable": snapshot.is_charge_refundable,
    }
    payment.save(update_fields=["dispute"])
    if kind := kind_of(before, snapshot):
        facts = facts_of(snapshot) | {"instrument": payment.tender}
        if kind == "dispute_closed":
            facts["reason"] = snapshot.status
        record(order, kind, facts=facts)
    show(order, payment, snapshot)


def kind_of(before: dict[str, Any], snapshot: DisputeSnapshot) -> str:
    """The history's word for what happened; empty when it is no news."""
    same = before.get("id") == snapshot.id
    if snapshot.status in CLOSED:
        return "" if same and before.get("status") in CLOSED else "dispute_closed"
    return "" if same else "dispute_opened"


def show(order: Order, payment: Payment, snapshot: DisputeSnapshot) -> None:
    """An item while the dispute is open, and one that stays when money left twice."""
    details: dict[str, Any] = {"order": order, "payment": payment, "facts": facts_of(snapshot)}
    if snapshot.status in CLOSED:
        close_items(
            OpenItem.Kind.DISPUTED,
            snapshot.id,
            conference=order.conference,
            resolution=say("dispute_closed", dispute=snapshot.status),
        )
    else:
        open_item(OpenItem.Kind.DISPUTED, snapshot.id, conference=order.conference, **details)
    show_charged_back(payment, charge_id=snapshot.charge_id)


def facts_of(snapshot: DisputeSnapshot) -> dict[str, str]:
    """What staff need to find it at Stripe; the amount in major units."""
    return {
        "amount": str(snapshot.amount),
        "currency": snapshot.currency,
        "dispute_id": snapshot.id,
        "charge_id": snapshot.charge_id,
        "status": snapshot.status,
        "reason": snapshot.reason,
        "due_by": snapshot.due_by.isoformat() if snapshot.due_by else "",
    }
