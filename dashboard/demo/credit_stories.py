"""One of every credit there can be, and the disputes and surprises that land in the needs-attention list."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from dashboard.demo.ledger import Channel, Destination, Share, State
from dashboard.demo.orders import TOOK, Shop
from dashboard.demo.people import Buyer
from dashboard.demo.stories import DAY, HOUR, Kind, bought
from registration.models import Credit, CreditEntry, Order, Payment
from registration.money import to_minor_units

Entry = CreditEntry.Kind


def gift(shop: Shop, share: float, days: float, **options: Any) -> tuple[Credit, Buyer]:
    """Goodwill credit tied to an attendee's paid order."""
    order, _payment = bought(shop, days + 20)
    at = shop.ledger.now - timedelta(days=days)
    by, note = shop.staff["finance"], options.pop("note", "Projector failed during the talk.")
    amount = shop.fraction(order.total, share)
    credit = shop.ledger.credit(order, order.user, shop.conference, amount, at, by=by, note=note, **options)
    return credit, Buyer(order.user, order.billing_name, order.billing_company)


def pending(shop: Shop, buyer: Buyer, hours: float) -> Order:
    """An order that waits for its money."""
    at = shop.ledger.now - timedelta(hours=hours)
    hold = shop.ledger.now + 3 * DAY
    return shop.ledger.order(
        shop.conference, buyer, at, shop.lines(), status=Order.Status.PENDING, hold_expires_at=hold
    )


def ready_to_apply(shop: Shop) -> None:
    """An attendee with two credits and an order that waits for its money."""
    first, buyer = gift(shop, 0.3, 30, expires_at=shop.ledger.now + 21 * DAY)
    by = shop.staff["finance"]
    at = shop.ledger.now - 11 * DAY
    shop.ledger.credit(None, buyer.user, shop.conference, first.amount * 2, at, by=by, note="Travel was cancelled.")
    pending(shop, buyer, 3)


def partly_paid(shop: Shop) -> None:
    """A waiting order that a credit has paid in part; the credit is used up."""
    credit, buyer = gift(shop, 0.1, 26)
    order = pending(shop, buyer, 5)
    shop.ledger.pay_by_credit(order, credit, min(credit.amount, order.total / 2), order.created_at + HOUR, None)


def partly_used(shop: Shop) -> None:
    """One credit, two orders, and something left."""
    credit, buyer = gift(shop, 1, 80)
    share = shop.fraction(credit.amount, 0.3)
    for days in (40, 12):
        order = _paid_by(shop, buyer, days, credit, share)
        shop.ledger.pay_card(order, order.total - shop.ledger.paid_so_far(order), order.created_at + HOUR)


def used_up(shop: Shop) -> None:
    """Used to the last cent."""
    credit, buyer = gift(shop, 0.2, 75)
    order = _paid_by(shop, buyer, 30, credit, credit.amount)
    shop.ledger.pay_card(order, order.total - credit.amount, order.created_at + HOUR)


def gone_back(shop: Shop) -> None:
    """A card-and-credit order was refunded; each tender went back to itself."""
    credit, buyer = gift(shop, 0.2, 66)
    order = _paid_by(shop, buyer, 28, credit, credit.amount)
    by_credit = shop.ledger.payments[-1]
    card = shop.ledger.pay_card(order, order.total - credit.amount, order.created_at + HOUR)
    at = shop.ledger.now - 7 * DAY
    to_credit = Share(by_credit, credit.amount, channel=Channel.CREDIT_RETURN, details={"credit": credit})
    by = shop.staff["finance"]
    shop.ledger.refund(order, [Share(card, card.amount), to_credit], at, by=by)
    shop.ledger.enter(credit, Entry.RESTORED, credit.amount, at, by, order=order, payment=by_credit)
    shop.ledger.say(order, at + TOOK, "credit_restored", by, amount=credit.amount, credit=credit)


def _paid_by(shop: Shop, buyer: Buyer, days: float, credit: Credit, amount: Decimal) -> Order:
    ticket, price, _often = shop.plan.tickets[2]
    at = shop.ledger.now - timedelta(days=days)
    order = shop.ledger.order(shop.conference, buyer, at, [(ticket, 2, Decimal(price))])
    shop.ledger.pay_by_credit(order, credit, min(amount, order.total), at + TOOK, shop.staff["support"])
    return order


def expired(shop: Shop) -> None:
    """Not used in time."""
    ended = shop.ledger.now - 9 * DAY
    credit, _buyer = gift(shop, 0.2, 100, expires_at=ended, status=Credit.Status.EXPIRED)
    _end(shop, credit, Entry.EXPIRED, 9, "Expired")


def voided(shop: Shop) -> None:
    """Issued to the wrong attendee."""
    credit, _buyer = gift(shop, 0.5, 48, status=Credit.Status.VOIDED, note="Wrong order.")
    _end(shop, credit, Entry.VOIDED, 47, "Issued to the wrong attendee.")


def _end(shop: Shop, credit: Credit, kind: str, days: float, reason: str) -> None:
    at = shop.ledger.now - timedelta(days=days)
    by = shop.staff["finance"] if kind == Entry.VOIDED else None
    shop.ledger.enter(credit, kind, -credit.amount, at, by, reason=reason)
    if credit.source_order is not None:
        said = f"credit_{kind.lower()}"
        shop.ledger.say(credit.source_order, at, said, by, amount=credit.amount, credit=credit, reason=reason)


def adjusted(shop: Shop) -> None:
    """Raised after a second complaint."""
    credit, _buyer = gift(shop, 0.1, 38)
    reason, by, at = "The workshop room was too small as well.", shop.staff["finance"], shop.ledger.now - 36 * DAY
    shop.ledger.enter(credit, Entry.ADJUSTED, credit.amount, at, by, reason=reason)
    if credit.source_order is not None:
        facts: dict[str, Any] = {"amount": credit.amount, "credit": credit, "reason": reason}
        shop.ledger.say(credit.source_order, at, "credit_adjusted", by, **facts)


def about_to_expire(shop: Shop) -> None:
    """Worth a reminder."""
    gift(shop, 0.25, 90, expires_at=shop.ledger.now + 6 * DAY)


def spent_then_failed(shop: Shop) -> None:
    """The card refund failed late, and the credit that came with it is spent."""
    order, payment = bought(shop, 55)
    now = shop.ledger.now
    amount = shop.fraction(order.total, 0.2)
    gone = {"failure_reason": "declined", "settled_at": now - 3 * DAY}
    refund = shop.ledger.refund(
        order,
        [Share(payment, amount, State.FAILED, was=State.SUCCEEDED, details=gone)],
        now - 20 * DAY,
        by=shop.staff["finance"],
        destination=Destination.CARD_AND_CREDIT,
        reason="Our mistake",
    )
    credit = shop.ledger.issued[refund.uuid]
    buyer = Buyer(order.user, order.billing_name, order.billing_company)
    paid = _paid_by(shop, buyer, 15, credit, amount)
    shop.ledger.pay_card(paid, paid.total - amount, paid.created_at + HOUR)
    part = next(part for part in shop.ledger.parts if part.refund is refund)
    failure: dict[str, Any] = {"amount": amount, "cause": part.failure_reason}
    shop.ledger.item(Kind.FAILED, part, now - 3 * DAY, order=order, refund=refund, payment=payment, **failure)
    shop.ledger.item(Kind.CREDIT_SPENT, credit, now - 3 * DAY, order=order, refund=refund, amount=amount)


def disputed(shop: Shop, status: str, reason: str, days: float, *, refundable: bool = False) -> tuple[Order, Payment]:
    """A payment whose attendee went to the bank; ``refundable`` is Stripe's own word on it."""
    order, payment = bought(shop, days + 30)
    opened = shop.ledger.now - timedelta(days=days)
    due = opened + 21 * DAY
    dispute = {
        "id": shop.ledger.stripe_id("dp"),
        "status": status,
        "reason": reason,
        "created": int(opened.timestamp()),
        "due_by": int(due.timestamp()),
    }
    shop.ledger.seed_of[id(payment)]["dispute"] = dispute
    payment.dispute = {**dispute, "is_charge_refundable": refundable}
    shop.ledger.say(order, opened, "dispute_opened", amount=payment.amount, reason=reason)
    if status in ("won", "lost"):
        shop.ledger.say(order, opened + 18 * DAY, "dispute_closed", amount=payment.amount, reason=status)
    elif not refundable:
        facts: dict[str, Any] = {"amount": payment.amount, "reason": reason, "due_by": due.isoformat()}
        shop.ledger.item(Kind.DISPUTED, dispute["id"], opened, order=order, payment=payment, **facts)
    return order, payment


def dispute_open(shop: Shop) -> None:
    """Evidence is due."""
    order, _payment = disputed(shop, "needs_response", "product_not_received", 6)
    shop.ledger.note(
        order, "Attended both days, badge scans exported.", shop.ledger.now - 5 * DAY, shop.staff["support"]
    )


def inquiry(shop: Shop) -> None:
    """The bank only asks."""
    disputed(shop, "warning_needs_response", "unrecognized", 4, refundable=True)


def dispute_won(shop: Shop) -> None:
    """Decided for us."""
    disputed(shop, "won", "fraudulent", 50, refundable=True)


def dispute_lost(shop: Shop) -> None:
    """Decided for the attendee, to whom part had been refunded already."""
    order, payment = disputed(shop, "lost", "fraudulent", 40)
    at = payment.created_at + 10 * DAY
    share = Share(payment, shop.fraction(order.total, 0.25))
    refund = shop.ledger.refund(order, [share], at, by=shop.by(share.amount, at))
    about = str((payment.dispute or {})["id"])
    facts: dict[str, Any] = {"amount": share.amount, "refunded": share.amount, "reason": "fraudulent"}
    lost = shop.ledger.now - 22 * DAY
    shop.ledger.item(Kind.CHARGED_BACK, about, lost, order=order, refund=refund, payment=payment, **facts)


def overpaid(shop: Shop) -> None:
    """Paid twice, from two tabs."""
    order, _payment = bought(shop, 2)
    at = order.created_at + 2 * TOOK
    again = shop.ledger.pay_card(order, order.total, at)
    shop.ledger.item(Kind.OVERPAID, again, at, order=order, payment=again, amount=again.amount)


def paid_late(shop: Shop) -> None:
    """Paid after the order was cancelled."""
    order = shop.order(shop.ledger.now - 8 * DAY, status=Order.Status.CANCELLED)
    shop.ledger.say(order, order.created_at + DAY, "order_cancelled")
    payment = shop.ledger.pay_card(order, order.total, order.created_at + 3 * DAY)
    shop.ledger.item(Kind.PAID_LATE, payment, payment.created_at, order=order, payment=payment, amount=payment.amount)


def unmatched(shop: Shop) -> None:
    """Money at Stripe that belongs to no order."""
    intent, charge = shop.ledger.stripe_id("pi"), shop.ledger.stripe_id("ch")
    amount, currency = Decimal(shop.plan.tickets[0][1]), shop.conference.currency
    at = shop.ledger.now - 30 * HOUR
    shop.ledger.seeds[shop.conference.slug].append(
        {
            "id": intent,
            "charge": charge,
            "amount": to_minor_units(amount, currency),
            "currency": currency.lower(),
            "created": int(at.timestamp()),
            "description": "Payment link",
        }
    )
    facts: dict[str, Any] = {"amount": amount, "currency": currency}
    shop.ledger.item(Kind.UNMATCHED, intent, at, conference=shop.conference, **facts)


def free(shop: Shop) -> None:
    """A grant paid for everything; there is nothing to refund."""
    shop.order(shop.ledger.now - 2 * HOUR, voucher=("GRANT100", 100))


OTHER_STORIES: tuple[Callable[[Shop], None], ...] = (
    ready_to_apply,
    partly_paid,
    partly_used,
    used_up,
    gone_back,
    expired,
    voided,
    adjusted,
    about_to_expire,
    spent_then_failed,
    dispute_open,
    inquiry,
    dispute_won,
    dispute_lost,
    overpaid,
    paid_late,
    unmatched,
    free,
)
