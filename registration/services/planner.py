"""Computes a refund without doing it: the preview shows these numbers, and the service acts on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

from django.utils.translation import gettext as _

from registration.json_rows import fetched
from registration.models import Credit, Order, Payment, Refund, RefundPart
from registration.money import ZERO, format_money, is_expressible, quantize_money, split_by_weight
from registration.said import Said, say
from registration.services.errors import RefundError

Channel = RefundPart.Channel
Destination = Refund.Destination
REFUNDABLE_STATUSES = (Order.Status.PAID, Order.Status.PARTIALLY_REFUNDED)
TENDER_ORDER = {
    Payment.Method.STRIPE: 0,
    Payment.Method.CREDIT: 1,
    Payment.Method.TERMINAL: 2,
    Payment.Method.MANUAL: 3,
}
"""Cards first, for that is what attendees ask for; what needs a hand last."""


@dataclass(frozen=True)
class PlannedPart:
    """One movement to come; ``amount`` in the order's currency."""

    payment: Payment
    channel: str
    amount: Decimal


@dataclass(frozen=True)
class RefundPlan:
    """What a refund would do; every amount in ``currency``, major units."""

    amount: Decimal
    currency: str
    fee_amount: Decimal
    destination: str
    parts: tuple[PlannedPart, ...]
    refundable_before: Decimal
    refundable_after: Decimal
    status_before: str
    status_after: str

    def _sum(self, *channels: str) -> Decimal:
        return sum((part.amount for part in self.parts if part.channel in channels), ZERO)

    @property
    def card_amount(self) -> Decimal:
        """What goes to cards through Stripe."""
        return self._sum(Channel.STRIPE)

    @property
    def credit_amount(self) -> Decimal:
        """What becomes or goes back to credit, without the goodwill."""
        return self._sum(Channel.STORE_CREDIT, Channel.CREDIT_RETURN)

    @property
    def manual_amount(self) -> Decimal:
        """What somebody has to pay back by hand."""
        return self._sum(Channel.MANUAL)

    @property
    def goodwill_amount(self) -> Decimal:
        """Credit given on top of the same sum to the card."""
        both = self.destination == Destination.CARD_AND_CREDIT
        return self._sum(Channel.STRIPE, Channel.MANUAL) if both else ZERO

    @property
    def total_out(self) -> Decimal:
        """All that the attendee gets, goodwill included."""
        return self.amount + self.goodwill_amount


def plan_refund(
    order: Order,
    *,
    amount: Decimal,
    destination: str = Destination.CARD_AND_CREDIT,
    credit_amount: Decimal | None = None,
    fee_amount: Decimal = ZERO,
    after_end: bool = False,
    payment: Payment | None = None,
) -> RefundPlan:
    """Plan a refund of ``amount`` less ``fee_amount``.

    Args:
        order: Read as it is; the service passes it locked.
        amount: What is asked back, in the order's currency, major units.
        destination: A value of ``Refund.Destination``.
        credit_amount: For SPLIT only: how much of what goes out becomes store credit.
        fee_amount: Kept back from ``amount``.
        after_end: Also what a refunded or cancelled order still holds (paid late, or above its total).
        payment: Only what this one brought; all of the order's when left out.

    Raises:
        RefundError: The order cannot be refunded, or not by this amount or this way.
    """
    if not after_end and order.status not in REFUNDABLE_STATUSES:
        raise RefundError(_not_refundable_status(order))
    check_refundable(order)
    check_amount(amount, order.currency)
    if fee_amount and (not is_expressible(fee_amount, order.currency) or not ZERO <= fee_amount < amount):
        raise RefundError(_("The fee must be less than the amount."))
    payments = _usable_payments(order, only=payment)
    if destination == Destination.CARD_AND_CREDIT and not any(_has_stripe(p) for p in payments):
        raise RefundError(_("This order has no card payment at Stripe that could be refunded."))
    ceiling = _ceiling(order, payments)
    if amount > ceiling:
        raise RefundError(_("At most %(amount)s can be refunded.") % {"amount": format_money(ceiling, order.currency)})
    out = quantize_money(amount - fee_amount)
    to_credit = _credit_share(destination, out, credit_amount, order.currency)
    return RefundPlan(
        amount=out,
        currency=order.currency,
        fee_amount=quantize_money(fee_amount),
        destination=destination,
        parts=tuple(_split(payments, out, to_credit)),
        refundable_before=order.refundable_amount,
        refundable_after=order.refundable_amount - out,
        status_before=order.status,
        status_after=status_after(order, out),
    )


def _usable_payments(order: Order, *, only: Payment | None) -> list[Payment]:
    payments = [payment for payment in order.payments.all() if only in (None, payment)]
    if only is not None and (barred := next((each for each in payments if not may_go_back(each)), None)):
        raise RefundError(str(why_unusable(barred)))
    return [payment for payment in payments if usable(payment)]


def check_refundable(order: Order) -> None:
    """Refuse an order from which nothing can go back, saying why.

    Raises:
        RefundError: With the sentence of ``blocked_reason``.
    """
    if reason := blocked_reason(order):
        raise RefundError(reason)


def check_amount(amount: object, currency: str) -> None:
    """Refuse what is not a positive ``Decimal`` that the currency can express; a float is never an amount.

    Raises:
        RefundError: Saying what to enter.
    """
    if not isinstance(amount, Decimal) or not amount.is_finite() or amount <= 0:
        raise RefundError(_("Enter an amount greater than zero."))
    if not is_expressible(amount, currency):
        raise RefundError(_("%(currency)s has no amounts this small.") % {"currency": currency})


def blocked_reason(order: Order) -> str:
    """Why nothing of the order can be refunded now; empty when something can. Reads ``order.payments``."""
    pending = order.status == Order.Status.PENDING
    # Money above the total, or paid after the end, is owed back whatever the order is called.
    if pending or (order.status not in REFUNDABLE_STATUSES and order.refundable_amount <= 0):
        return _not_refundable_status(order)
    payments = [payment for payment in fetched(order, "payments") if payment.refundable_amount > 0]
    usable_payments = [payment for payment in payments if usable(payment)]
    if usable_payments and order.refundable_amount > 0:
        return ""
    if payments and not usable_payments:
        return str(why_unusable(payments[0]))
    if order.reserved_amount > 0:
        return _("Not refundable: %(amount)s is reserved and nothing else is left.") % {
            "amount": format_money(order.reserved_amount, order.currency)
        }
    if is_complimentary(order):
        return _("Not refundable: complimentary, so nothing was paid that could go back.")
    return _("Not refundable: nothing was paid that could go back.")


def is_complimentary(order: Order) -> bool:
    """Whether nobody paid for an order and nobody owes for it either. Reads ``order.payments``."""
    captured = [payment for payment in fetched(order, "payments") if payment.is_captured]
    return bool(captured) and all(payment.method == Payment.Method.COMP for payment in captured)


def _not_refundable_status(order: Order) -> str:
    if order.status == Order.Status.PENDING and order.refundable_amount > 0:
        return _("Not refundable: the order is not paid in full yet. When it is cancelled, its credit goes back.")
    if order.status == Order.Status.PENDING:
        return _("Not refundable: nothing was paid yet.")
    is_cancelled = order.status == Order.Status.CANCELLED
    if order.status == Order.Status.REFUNDED or (is_cancelled and ZERO < order.paid_amount <= order.refunded_amount):
        return _("Not refundable: everything was refunded.")
    return _("Not refundable: the order was cancelled.") if is_cancelled else _("Not refundable.")


def why_unusable(payment: Payment) -> Said:
    """Why nothing of a payment may go back, as a sentence for staff."""
    if payment.currency != payment.order.currency:
        return say("currencies", theirs=payment.currency, ours=payment.order.currency)
    if not payment.is_disputed:
        return say("mode")
    dispute = payment.dispute or {}
    when = _day(dispute.get("created"), payment)
    if dispute.get("status") == "lost":
        return say("dispute_lost", when=when)
    return say("dispute_open", when=when, due=_day(dispute.get("due_by"), payment))


def _day(epoch: int | None, payment: Payment) -> date | None:
    """The day of a moment at the conference."""
    return payment.order.conference.localtime(datetime.fromtimestamp(epoch, UTC)).date() if epoch else None


def usable(payment: Payment) -> bool:
    """Whether anything of a payment may go back now."""
    return payment.refundable_amount > 0 and may_go_back(payment)


def may_go_back(payment: Payment) -> bool:
    """Whether Stripe would take a refund of it: in the order's currency, not disputed, in the key's own mode."""
    if payment.is_disputed or payment.currency != payment.order.currency:
        return False
    return payment.livemode is None or payment.livemode == payment.order.conference.uses_live_key


def refund_ceiling(order: Order) -> Decimal:
    """The most that can be refunded now, in the order's currency."""
    return _ceiling(order, [payment for payment in order.payments.all() if usable(payment)])


def _ceiling(order: Order, payments: Iterable[Payment]) -> Decimal:
    left: Decimal = sum((payment.refundable_amount for payment in payments), ZERO)
    return min(left, Decimal(order.refundable_amount))


def _has_stripe(payment: Payment) -> bool:
    known = payment.stripe_payment_intent_id or payment.stripe_charge_id
    return payment.method == Payment.Method.STRIPE and bool(known)


def _credit_share(destination: str, out: Decimal, credit_amount: Decimal | None, currency: str) -> Decimal:
    """How much of what goes out becomes store credit."""
    if destination == Destination.CREDIT:
        return out
    if destination != Destination.SPLIT:
        return ZERO
    if credit_amount is None or not is_expressible(credit_amount, currency) or not ZERO < credit_amount < out:
        raise RefundError(
            _("Enter how much becomes credit: more than zero and less than %(amount)s.")
            % {"amount": format_money(out, currency)}
        )
    return credit_amount


def _split(payments: Iterable[Payment], out: Decimal, to_credit: Decimal) -> Iterable[PlannedPart]:
    """Take each tender in turn: first for what goes back the way it came, then for what becomes credit."""
    back_left, credit_left = out - to_credit, to_credit
    for payment in sorted(payments, key=lambda p: (TENDER_ORDER.get(Payment.Method(p.method), 9), p.pk)):
        left = payment.refundable_amount
        back = min(left, back_left)
        credit = min(left - back, credit_left)
        back_left, credit_left = back_left - back, credit_left - credit
        if payment.method == Payment.Method.CREDIT:
            back, credit = back + credit, ZERO
        if back > 0:
            yield PlannedPart(payment, channel_of(payment), quantize_money(back))
        if credit > 0:
            yield PlannedPart(payment, Channel.STORE_CREDIT, quantize_money(credit))


def channel_of(payment: Payment) -> str:
    """How a payment goes back the way it came."""
    if payment.method == Payment.Method.CREDIT:
        return Channel.CREDIT_RETURN
    return Channel.STRIPE if _has_stripe(payment) else Channel.MANUAL


def status_after(order: Order, out: Decimal) -> str:
    """The order's status once ``out`` more was accepted; a cancelled order stays cancelled."""
    if order.status == Order.Status.CANCELLED:
        return Order.Status.CANCELLED
    covered = order.is_covered_by(order.refunded_amount + order.reserved_amount + out)
    return Order.Status.REFUNDED if covered else Order.Status.PARTIALLY_REFUNDED


def fee_from_percent(amount: Decimal, percent: Decimal, currency: str) -> Decimal:
    """The fee that ``percent`` of ``amount`` makes, in steps the currency can express."""
    if not percent.is_finite() or not ZERO <= percent < 100:
        raise RefundError(_("Enter a percentage from 0 to 99."))
    check_amount(amount, currency)
    return split_by_weight(amount, [percent, Decimal(100) - percent], currency)[0]


def plan_credit(credits: Sequence[Credit], order: Order, amount: Decimal | None = None) -> list[tuple[Credit, Decimal]]:
    """How much each credit would pay of an order, the one that expires first in front.

    Args:
        credits: Of the order's attendee and conference.
        order: Pending.
        amount: At most this much, in the order's currency; everything due when left out.
    """
    left = order.due_amount if amount is None else min(amount, order.due_amount)
    planned = []
    for credit in sorted(credits, key=lambda c: (c.expires_at is None, c.expires_at or c.created_at, c.pk)):
        take = min(credit.remaining_amount, left)
        if take > 0 and credit.is_spendable:
            planned.append((credit, take))
            left -= take
    return planned
