"""The many ordinary orders, among which the stories happen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.contrib.auth.models import User

from dashboard.demo.catalog import Plan
from dashboard.demo.ledger import Channel, Destination, Ledger, Share
from dashboard.demo.people import Buyer
from registration.models import Conference, Order, Payment
from registration.money import quantize_money

VOUCHERS = (("SPEAKER50", 50), ("GRANT100", 100), ("TEAM15", 15), ("EARLYBIRD10", 10), ("USERGROUP20", 20))
REASONS = ("Requested by attendee",) * 6 + ("Programme changed", "Our mistake", "Duplicate payment")
SEASON_DAYS = 170
TOOK = timedelta(minutes=4)

Lines = list[tuple[str, int, Decimal]]


@dataclass(slots=True)
class Shop:
    """Sells the tickets of one conference."""

    ledger: Ledger
    plan: Plan
    conference: Conference
    staff: dict[str, User]
    buyers: Iterator[Buyer]

    def lines(self) -> Lines:
        """A ticket or a few, and what went with it."""
        rng = self.ledger.rng
        what, price, _often = rng.choices(self.plan.tickets, [often for *_what, often in self.plan.tickets])[0]
        quantity = rng.choices((1, 2, 3, 5), (88, 8, 3, 1))[0]
        chosen = [extra for extra in self.plan.extras if rng.random() < extra[2] / 50]
        return [(what, quantity, Decimal(price)), *((extra[0], 1, Decimal(extra[1])) for extra in chosen)]

    def when(self) -> datetime:
        """A moment of the season, more often lately; never the last quarter of an hour."""
        last = self.ledger.now - timedelta(minutes=15)
        if self.plan.starts_in_days < 0:
            last -= timedelta(days=-self.plan.starts_in_days)
        return last - timedelta(minutes=self.ledger.rng.random() ** 1.6 * SEASON_DAYS * 1440)

    def later(self, moment: datetime, most_days: int = 30) -> datetime:
        """A moment after another one, and never in the future."""
        span = min(timedelta(days=most_days), self.ledger.now - TOOK - moment)
        return moment + span * self.ledger.rng.random()

    def order(self, at: datetime | None = None, **options: object) -> Order:
        """An order of the next attendee."""
        lines = options.pop("lines", None) or self.lines()
        return self.ledger.order(self.conference, next(self.buyers), at or self.when(), lines, **options)  # type: ignore[arg-type]

    def paid(self, at: datetime | None = None, **options: object) -> tuple[Order, Payment]:
        """An order paid by one card."""
        order = self.order(at, **options)
        return order, self.ledger.pay_card(order, order.total, order.created_at + TOOK)

    def fraction(self, amount: Decimal, share: float) -> Decimal:
        """A round part of an amount, at least one step, in the conference's currency."""
        step = Decimal(100) if self.conference.currency == "JPY" else Decimal(5)
        return quantize_money(max(step, (amount * Decimal(str(share)) / step).to_integral_value() * step))

    def by(self, amount: Decimal, at: datetime) -> User:
        """Who was on duty: support within its limit and not today, so that whoever tries the desk has a whole day's."""
        on_duty = self.ledger.rng.choice([self.staff["support"], self.staff["finance"]])
        limit = self.conference.support_refund_limit
        is_above = limit is not None and amount > limit
        return self.staff["finance"] if is_above or at > self.ledger.now - timedelta(days=1) else on_duty


def plain(shop: Shop) -> None:
    """Paid by card; nothing happened since."""
    shop.paid()


def with_voucher(shop: Shop) -> None:
    """Paid less by a voucher, or nothing."""
    order = shop.order(voucher=shop.ledger.rng.choice(VOUCHERS))
    if order.total > 0:
        shop.ledger.pay_card(order, order.total, order.created_at + TOOK)


def complimentary(shop: Shop) -> None:
    """A gift to a speaker or helper."""
    order = shop.order()
    note = shop.ledger.rng.choice(("Speaker", "Volunteer", "Sponsor allotment", "Keynote speaker"))
    shop.ledger.pay(
        order, Payment.Method.COMP, order.total, order.created_at + TOOK, note=note, by=shop.staff["finance"]
    )


def by_transfer(shop: Shop) -> None:
    """Paid by bank transfer, entered by hand."""
    order = shop.order()
    reference = f"Bank transfer {shop.ledger.rng.randrange(10_000, 99_999)}"
    at = shop.later(order.created_at, 6)
    shop.ledger.pay(order, Payment.Method.MANUAL, order.total, at, reference=reference, by=shop.staff["finance"])


def at_the_desk(shop: Shop) -> None:
    """Paid at the card terminal."""
    order = shop.order()
    reference = f"Terminal 2, receipt {shop.ledger.rng.randrange(1_000, 9_999)}"
    shop.ledger.pay(order, Payment.Method.TERMINAL, order.total, order.created_at + TOOK, reference=reference)


def two_cards(shop: Shop) -> None:
    """A deposit by one card, the rest by another."""
    order = shop.order()
    deposit = shop.fraction(order.total, 0.3)
    shop.ledger.pay_card(order, deposit, order.created_at + TOOK)
    shop.ledger.pay_card(order, order.total - deposit, shop.later(order.created_at + TOOK, 10))


def second_try(shop: Shop) -> None:
    """Declined first, then paid."""
    order = shop.order()
    shop.ledger.pay_card(order, order.total, order.created_at + TOOK / 4, status=Payment.Status.FAILED)
    shop.ledger.pay_card(order, order.total, order.created_at + TOOK)


def waiting(shop: Shop) -> None:
    """Still held for an attendee who has not paid."""
    ledger = shop.ledger
    at = ledger.now - timedelta(minutes=ledger.rng.randrange(6, 90 * 60))
    order = shop.order(
        at, status=Order.Status.PENDING, hold_expires_at=ledger.now + timedelta(days=2, minutes=at.minute)
    )
    if ledger.rng.random() < 0.4:
        ledger.pay_card(order, order.total, at + TOOK / 4, status=Payment.Status.FAILED)


def lapsed(shop: Shop) -> None:
    """Never paid."""
    order = shop.order(status=Order.Status.CANCELLED)
    shop.ledger.say(order, shop.later(order.created_at, 2), "order_cancelled")


def refunded_in_full(shop: Shop) -> None:
    """All of it went back to the card."""
    order, payment = shop.paid()
    _to_card(shop, order, payment, order.total)


def refunded_in_part(shop: Shop) -> None:
    """Some of it went back to the card."""
    order, payment = shop.paid()
    _to_card(shop, order, payment, shop.fraction(order.total, shop.ledger.rng.choice((0.2, 0.25, 0.5))))


def _to_card(shop: Shop, order: Order, payment: Payment, amount: Decimal) -> None:
    at = shop.later(payment.created_at)
    trace = {"trace_reference": str(shop.ledger.rng.randrange(10**22, 10**23))}
    old = at < shop.ledger.now - timedelta(days=7)
    share = Share(payment, min(amount, order.total), details=trace if old else {})
    shop.ledger.refund(order, [share], at, by=shop.by(share.amount, at), reason=shop.ledger.rng.choice(REASONS))


def refunded_as_credit(shop: Shop) -> None:
    """Turned into store credit."""
    order, payment = shop.paid()
    amount = min(order.total, shop.fraction(order.total, shop.ledger.rng.choice((0.25, 0.5, 1))))
    share = Share(payment, amount, channel=Channel.STORE_CREDIT)
    at = shop.later(payment.created_at)
    shop.ledger.refund(order, [share], at, by=shop.by(amount, at), destination=Destination.CREDIT)


ORDINARY: tuple[tuple[Callable[[Shop], None], int], ...] = (
    (plain, 760),
    (with_voucher, 62),
    (complimentary, 26),
    (by_transfer, 24),
    (at_the_desk, 20),
    (two_cards, 18),
    (second_try, 14),
    (waiting, 10),
    (lapsed, 30),
    (refunded_in_full, 24),
    (refunded_in_part, 22),
    (refunded_as_credit, 14),
)


def sell(shop: Shop, count: int) -> None:
    """Make up ``count`` ordinary orders."""
    kinds, weights = zip(*ORDINARY, strict=True)
    if shop.plan.starts_in_days < 0:
        weights = tuple(0 if kind is waiting else weight for kind, weight in ORDINARY)
    for kind in shop.ledger.rng.choices(kinds, weights, k=count):
        kind(shop)
