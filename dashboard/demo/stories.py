"""One of every refund there can be, in every state of ``money.md``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from dashboard.demo.ledger import Channel, Destination, Share, State
from dashboard.demo.orders import TOOK, Shop
from registration.models import OpenItem, Order, Payment, Refund, RefundLine
from registration.said import say

Kind = OpenItem.Kind
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SILENT = {"fault": "unavailable_html", "count": 1_000_000}
"""What the sandbox answers about a payment whose refund never gets through."""


def bought(shop: Shop, days: float, **options: Any) -> tuple[Order, Payment]:
    """An order paid by one card so many days ago; keywords go to the payment."""
    order = shop.order(shop.ledger.now - timedelta(days=days))
    return order, shop.ledger.pay_card(order, order.total, order.created_at + TOOK, **options)


def back(shop: Shop, order: Order, payment: Payment, days: float, state: str, **details: Any) -> Refund:
    """A refund of half to the card, so many days ago; keywords are columns of its part."""
    was = details.pop("was", "")
    share = Share(payment, shop.fraction(order.total, 0.5), state, was=was, details=details)
    at = shop.ledger.now - timedelta(days=days)
    return shop.ledger.refund(order, [share], at, by=shop.by(share.amount, at))


def proposed(shop: Shop) -> None:
    """Above the limit of support; a second person must approve."""
    business, price, _often = shop.plan.tickets[2]
    order = shop.order(shop.ledger.now - 9 * DAY, lines=[(business, 2, Decimal(price))])
    payment = shop.ledger.pay_card(order, order.total, order.created_at + TOOK)
    at = shop.ledger.now - 5 * HOUR
    share = Share(payment, order.total, State.AWAITING_APPROVAL)
    refund = shop.ledger.refund(order, [share], at, by=shop.staff["support"], note="Visa was denied, letter attached.")
    shop.ledger.item(Kind.APPROVAL, refund, at, order=order, refund=refund, amount=refund.amount)


def decided(shop: Shop) -> None:
    """Decided, and Stripe is too busy to take it."""
    order, payment = bought(shop, 0.07, fault={"fault": "rate_limit", "count": 1_000_000})
    refund = back(shop, order, payment, 0.03, State.REQUESTED)
    part = shop.ledger.parts[-1]
    at = refund.created_at + timedelta(minutes=10)
    shop.ledger.item(Kind.UNSENT, part, at, order=order, refund=refund, payment=payment, amount=part.amount)


def unanswered(shop: Shop) -> None:
    """Sent, and no answer that can be trusted."""
    order, payment = bought(shop, 0.12, fault=SILENT)
    refund = back(shop, order, payment, 0.08, State.UNCONFIRMED)
    part = shop.ledger.parts[-1]
    at = refund.created_at + TOOK
    shop.ledger.item(Kind.UNCONFIRMED, part, at, order=order, refund=refund, payment=payment, amount=part.amount)


def at_stripe(shop: Shop) -> None:
    """Stripe has it and is working on it."""
    order, payment = bought(shop, 15)
    back(shop, order, payment, 1.2, State.PENDING, pending_reason="processing")


def stuck(shop: Shop) -> None:
    """Waits at Stripe for a sufficient balance, for far too long."""
    order, payment = bought(shop, 40)
    refund = back(shop, order, payment, 13, State.PENDING, pending_reason="processing")
    part = shop.ledger.parts[-1]
    at = refund.created_at + 10 * DAY
    shop.ledger.item(Kind.SLOW, part, at, order=order, refund=refund, payment=payment, amount=part.amount)


def attendee_must_act(shop: Shop) -> None:
    """The attendee was asked for an account."""
    order, payment = bought(shop, 33)
    back(shop, order, payment, 3, State.REQUIRES_ACTION)


def arrived(shop: Shop) -> None:
    """At the bank, with its trace number."""
    order, payment = bought(shop, 60)
    back(shop, order, payment, 30, State.SUCCEEDED, trace_reference="74208107305000000018823")


def failed_late(shop: Shop) -> None:
    """Called a success, then the bank sent it back."""
    order, payment = bought(shop, 50)
    now = shop.ledger.now
    gone = {"failure_reason": "expired_or_canceled_card", "settled_at": now - 2 * DAY, "was": State.SUCCEEDED}
    refund = back(shop, order, payment, 8, State.FAILED, **gone)
    part = shop.ledger.parts[-1]
    facts: dict[str, Any] = {"amount": part.amount, "cause": part.failure_reason}
    shop.ledger.item(Kind.FAILED, part, now - 2 * DAY, order=order, refund=refund, payment=payment, **facts)
    shop.ledger.note(order, "Asked for another card by email.", now - DAY, shop.staff["support"])


def failed_then_retried(shop: Shop) -> None:
    """The first try was refused, the second went through."""
    order, payment = bought(shop, 45)
    ledger, amount = shop.ledger, shop.fraction(order.total, 0.25)
    at = ledger.now - 20 * DAY
    first = ledger.refund(
        order,
        [Share(payment, amount, State.FAILED, details={"failure_reason": "lock_timeout"})],
        at,
        by=shop.by(amount, at),
        refusal=say("refused"),
    )
    ledger.refund(order, [Share(payment, amount)], at + HOUR, by=shop.staff["finance"], retry_of=first)


def cancelled(shop: Shop) -> None:
    """Waited for the attendee, then was cancelled."""
    order, payment = bought(shop, 70)
    ended = {"settled_at": shop.ledger.now - 21 * DAY, "was": State.REQUIRES_ACTION}
    back(shop, order, payment, 32, State.CANCELED, **ended)


def rejected(shop: Shop) -> None:
    """Proposed, and the second person said no."""
    order, payment = bought(shop, 25)
    at = shop.ledger.now - timedelta(days=10)
    share = Share(payment, shop.fraction(order.total, 0.5), State.REJECTED, details={"settled_at": at + HOUR})
    shop.ledger.refund(
        order,
        [share],
        at,
        by=shop.staff["support"],
        refusal="The ticket was used on both days.",
        decided_by=shop.staff["finance"],
        decided_at=at + HOUR,
    )


def made_at_stripe(shop: Shop) -> None:
    """Somebody refunded in Stripe's own dashboard."""
    order, payment = bought(shop, 18)
    at = shop.ledger.now - 7 * HOUR
    share = Share(payment, shop.fraction(order.total, 0.25))
    refund = shop.ledger.refund(order, [share], at, by=None, reason="", source=Refund.Source.EXTERNAL)
    about = shop.ledger.parts[-1].stripe_refund_id or ""
    facts: dict[str, Any] = {"amount": share.amount}
    shop.ledger.item(Kind.EXTERNAL, about, at, order=order, refund=refund, payment=payment, **facts)


def twice_on_purpose(shop: Shop) -> None:
    """Two equal partial refunds, both meant."""
    order, payment = bought(shop, 30)
    amount = shop.fraction(order.total, 0.1)
    for days in (5, 4.9):
        at = shop.ledger.now - timedelta(days=days)
        shop.ledger.refund(order, [Share(payment, amount)], at, by=shop.staff["finance"])


def over_two_cards(shop: Shop) -> None:
    """One decision, two payments: one part arrived, the other waits."""
    order = shop.order(shop.ledger.now - 28 * DAY)
    deposit = shop.fraction(order.total, 0.4)
    first = shop.ledger.pay_card(order, deposit, order.created_at + TOOK)
    rest = shop.ledger.pay_card(order, order.total - deposit, order.created_at + DAY)
    shares = [Share(first, deposit), Share(rest, rest.amount, State.PENDING, details={"pending_reason": "processing"})]
    shop.ledger.refund(order, shares, shop.ledger.now - DAY, by=shop.staff["finance"], reason="Programme changed")


def card_and_credit_split(shop: Shop) -> None:
    """Part to the card, part as store credit, in one decision."""
    order, payment = bought(shop, 21)
    card, credit = shop.fraction(order.total, 0.3), shop.fraction(order.total, 0.2)
    shares = [Share(payment, card), Share(payment, credit, channel=Channel.STORE_CREDIT)]
    at = shop.ledger.now - 4 * DAY
    shop.ledger.refund(order, shares, at, by=shop.staff["finance"], destination=Destination.SPLIT)


def goodwill_on_top(shop: Shop) -> None:
    """To the card and the same again as credit."""
    order, payment = bought(shop, 19)
    share = Share(payment, shop.fraction(order.total, 0.2))
    shop.ledger.refund(
        order,
        [share],
        shop.ledger.now - 3 * DAY,
        by=shop.staff["finance"],
        destination=Destination.CARD_AND_CREDIT,
        reason="Our mistake",
        note="The tutorial was moved without notice.",
    )


def fee_kept(shop: Shop) -> None:
    """A fee stayed with us."""
    order, payment = bought(shop, 35)
    fee = shop.fraction(order.total, 0.05)
    share, at = Share(payment, order.total - fee), shop.ledger.now - 9 * DAY
    shop.ledger.refund(order, [share], at, by=shop.by(share.amount, at), fee_amount=fee)


def by_line(shop: Shop) -> None:
    """One thing of several was given back."""
    prices = {what: Decimal(price) for what, price, _often in (*shop.plan.tickets, *shop.plan.extras)}
    ticket, extra = shop.plan.tickets[1][0], shop.plan.extras[0][0]
    order = shop.order(shop.ledger.now - 27 * DAY, lines=[(ticket, 1, prices[ticket]), (extra, 1, prices[extra])])
    payment = shop.ledger.pay_card(order, order.total, order.created_at + TOOK)
    line = shop.ledger.lines[-1]
    at = shop.ledger.now - 6 * DAY
    share = Share(payment, line.line_total)
    refund = shop.ledger.refund(order, [share], at, by=shop.by(share.amount, at), reason="Programme changed")
    shop.ledger.refund_lines.append(RefundLine(refund=refund, line_item=line, amount=line.line_total))


def transfer_to_do(shop: Shop) -> None:
    """Paid by bank transfer; somebody has to send it back by hand."""
    order, payment = _by_transfer(shop, 22)
    at = shop.ledger.now - 2 * DAY
    share = Share(payment, shop.fraction(order.total, 0.5), State.AWAITING_TRANSFER)
    refund = shop.ledger.refund(order, [share], at, by=shop.staff["finance"])
    part = shop.ledger.parts[-1]
    facts: dict[str, Any] = {"amount": part.amount}
    shop.ledger.item(Kind.MANUAL_TRANSFER, part, at, order=order, refund=refund, payment=payment, **facts)


def transfer_done(shop: Shop) -> None:
    """Paid by bank transfer, and sent back by hand."""
    order, payment = _by_transfer(shop, 44)
    share = Share(payment, order.total, details={"trace_reference": "SEPA 2204-118"})
    shop.ledger.refund(order, [share], shop.ledger.now - 15 * DAY, by=shop.staff["finance"])


def _by_transfer(shop: Shop, days: float) -> tuple[Order, Payment]:
    order = shop.order(shop.ledger.now - timedelta(days=days))
    at, reference = order.created_at + 2 * DAY, f"Bank transfer {shop.ledger.rng.randrange(10_000, 99_999)}"
    by = shop.staff["finance"]
    return order, shop.ledger.pay(order, Payment.Method.MANUAL, order.total, at, reference=reference, by=by)


REFUND_STORIES: tuple[Callable[[Shop], None], ...] = (
    proposed,
    decided,
    unanswered,
    at_stripe,
    stuck,
    attendee_must_act,
    arrived,
    failed_late,
    failed_then_retried,
    cancelled,
    rejected,
    made_at_stripe,
    twice_on_purpose,
    over_two_cards,
    card_and_credit_split,
    goodwill_on_top,
    fee_kept,
    by_line,
    transfer_to_do,
    transfer_done,
)
