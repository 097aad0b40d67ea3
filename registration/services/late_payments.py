"""Card payments as they arrive, in time or late."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from registration.models import Conference, OpenItem, Order, Payment
from registration.services.credit_payment import complete_if_paid
from registration.services.history import record
from registration.services.open_items import open_item_once
from registration.services.payment_lookup import find_payment
from registration.stripe_snapshots import IntentSnapshot

Status = Payment.Status
WAITING = (Status.PENDING, Status.PROCESSING)
ENDED_ORDERS = (Order.Status.CANCELLED, Order.Status.REFUNDED)


def apply_intent(conference: Conference, snapshot: IntentSnapshot) -> Payment | None:
    """Keep what Stripe says about a card payment; a succeeded one is never taken back here.

    Returns:
        Our payment, or ``None`` when it belongs to no order we know and became an open item.

    Raises:
        ValueError: The payment belongs to the other mode (live or test).
    """
    if snapshot.livemode != conference.uses_live_key:
        raise ValueError(f"{snapshot.id} belongs to the other mode.")
    order = order_of(conference, snapshot)
    if order is None or order.currency != snapshot.currency:
        if snapshot.status == "succeeded":
            open_item_once(OpenItem.Kind.UNMATCHED, snapshot.id, conference=conference, facts=facts_of(snapshot))
        return None
    return keep(order, snapshot)


def order_of(conference: Conference, snapshot: IntentSnapshot) -> Order | None:
    """The order a payment intent pays: that of our payment row, or else the one its metadata names."""
    payment = find_payment(conference, intent_id=snapshot.id, charge_id=snapshot.charge_id)
    if payment is not None:
        return payment.order
    reference = snapshot.metadata.get("order", "")
    return Order.objects.filter(conference=conference, reference=reference).first() if reference else None


@transaction.atomic
def keep(order: Order, snapshot: IntentSnapshot) -> Payment | None:
    """Move our payment to where Stripe's stands, under the order's lock, and settle what follows."""
    order = Order.objects.select_for_update(no_key=True).get(pk=order.pk)
    payment = find_payment(order.conference, intent_id=snapshot.id, charge_id=snapshot.charge_id)
    if payment is not None and payment.is_captured:
        fill_in(payment, snapshot)
    elif snapshot.status == "succeeded":
        payment = payment or Payment(order=order, method=Payment.Method.STRIPE)
        receive(order, payment, snapshot)
    elif payment is not None and (status := unpaid_status(payment, snapshot)) != payment.status:
        payment.status = status
        payment.save(update_fields=["status"])
        if status == Status.FAILED:
            record(order, "payment_failed", facts=facts_of(snapshot) | {"instrument": payment.tender})
    return payment


def unpaid_status(payment: Payment, snapshot: IntentSnapshot) -> str:
    """Where a payment stands that has not succeeded; one that failed may still be tried with another card."""
    if snapshot.status == "processing":
        return Status.PROCESSING
    ended = snapshot.status in ("canceled", "requires_payment_method") and payment.status in WAITING
    return Status.FAILED if ended else payment.status


def fill_in(payment: Payment, snapshot: IntentSnapshot) -> None:
    """Complete what is not known yet of a payment that arrived before.

    A payment known by its charge alone stays so: it is refunded by its charge, and what is sent must not change.
    """
    known = {
        "stripe_payment_intent_id": "" if payment.stripe_charge_id else snapshot.id,
        "stripe_charge_id": snapshot.charge_id,
        "card_brand": snapshot.card_brand,
        "card_last4": snapshot.card_last4,
    }
    missing = [name for name, value in known.items() if value and not getattr(payment, name)]
    for name in missing:
        setattr(payment, name, known[name])
    if payment.livemode is None:
        payment.livemode = snapshot.livemode
        missing.append("livemode")
    if missing:
        payment.save(update_fields=missing)


def receive(order: Order, payment: Payment, snapshot: IntentSnapshot) -> None:
    """Record money that arrived; an order that was ended stays so, and staff see an item."""
    status_before = order.status
    payment.status, payment.amount, payment.currency = Status.SUCCEEDED, snapshot.amount, snapshot.currency
    payment.stripe_payment_intent_id, payment.stripe_charge_id = snapshot.id, snapshot.charge_id
    payment.card_brand, payment.card_last4, payment.livemode = (
        snapshot.card_brand,
        snapshot.card_last4,
        snapshot.livemode,
    )
    payment.received_at = arrived_at(snapshot)
    payment.save()
    late = status_before in ENDED_ORDERS
    facts = facts_of(snapshot) | {"instrument": payment.tender}
    record(order, "payment_late" if late else "payment_received", facts=facts)
    complete_if_paid(order)
    order.refresh_from_db()
    if late:
        show(OpenItem.Kind.PAID_LATE, order, payment, snapshot)
    elif order.paid_amount > order.total:
        show(OpenItem.Kind.OVERPAID, order, payment, snapshot)


def arrived_at(snapshot: IntentSnapshot) -> datetime:
    """When the card was charged, whenever we hear of it: the books date a refund by Stripe's clock as well.

    Never in the future, should Stripe's clock be ahead of ours.
    """
    now = timezone.now()
    return min(snapshot.charged_at or now, now)


def show(kind: str, order: Order, payment: Payment, snapshot: IntentSnapshot) -> None:
    """Open an item; what is owed back of a payment is what it brought above the total, or all after the order's end."""
    late = kind == OpenItem.Kind.PAID_LATE
    surplus = payment.amount if late else min(payment.amount, order.paid_amount - order.total)
    open_item_once(
        kind,
        f"payment:{payment.pk}",
        conference=order.conference,
        order=order,
        payment=payment,
        facts=facts_of(snapshot) | {"amount": str(surplus), "paid": str(payment.amount)},
    )


def facts_of(snapshot: IntentSnapshot) -> dict[str, str]:
    """What staff need to find it at Stripe; the amount in major units."""
    return {
        "amount": str(snapshot.amount),
        "currency": snapshot.currency,
        "payment_intent_id": snapshot.id,
        "charge_id": snapshot.charge_id,
    }
