"""The refunds of one order as its page tells them."""

from __future__ import annotations

from dataclasses import dataclass

from django.utils.text import capfirst
from django.utils.translation import gettext as _

from dashboard.orders.under_way import AT_STRIPE
from dashboard.refunds.held import Undo, undo_of
from dashboard.templatetags.desk import moment, person
from registration.models import Order, Payment, Refund, RefundPart
from registration.models.refund import OVER, State
from registration.money import format_money
from registration.refund_ends import how_much_goes
from registration.refund_words import Step, ended_because, holder, steps, taken_on_by
from registration.said import why_refunded


@dataclass(frozen=True)
class RefundEntry:
    """One refund: how much, where to, who and why, and who has the money now."""

    refund: Refund
    amount: str
    goes: str
    where: str
    why: str
    who: str
    steps: list[Step]
    holders: list[str]
    fee: str
    retried_as: Refund | None
    can_check: bool
    is_waiting: bool
    undo: Undo | None
    decided: str
    by_hand: list[RefundPart]


def refund_entries(order: Order) -> list[RefundEntry]:
    """All refunds, newest first. Reads what was fetched with the order."""
    payments = {payment.pk: payment for payment in order.payments.all()}
    refunds = sorted(order.refunds.all(), key=lambda refund: -refund.pk)
    retries = {refund.retry_of_id: refund for refund in reversed(refunds) if refund.retry_of_id}
    return [_entry(refund, payments, retries.get(refund.pk)) for refund in refunds]


def _entry(refund: Refund, payments: dict[int, Payment], retried_as: Refund | None) -> RefundEntry:
    parts = list(refund.parts.all())
    may_be_taken_on = bool(retried_as or refund.retry_of_id) and any(part.state in OVER for part in parts)
    later = taken_on_by(refund) if may_be_taken_on else None
    places = dict.fromkeys(_place(part, payments) for part in parts)
    reason = why_refunded(refund)
    return RefundEntry(
        refund=refund,
        amount=format_money(refund.amount, refund.currency),
        goes=how_much_goes(refund),
        where=capfirst(", ".join(places)) or str(refund.get_destination_display()),
        why=(ended_because(refund) or reason).rstrip("."),
        who=_who(refund),
        steps=steps(refund) if refund.is_open else [],
        holders=list(dict.fromkeys(holder(part, later) for part in parts)),
        fee=format_money(refund.fee_amount, refund.currency) if refund.fee_amount else "",
        retried_as=retried_as,
        is_waiting=refund.state == State.AWAITING_APPROVAL,
        undo=undo_of(refund) if refund.is_held else None,
        decided=_decided(refund),
        can_check=not refund.is_held and any(_may_stripe_know(part) for part in parts),
        by_hand=[part for part in parts if part.state == State.AWAITING_TRANSFER],
    )


def _may_stripe_know(part: RefundPart) -> bool:
    """Whether Stripe may know more of it than is known here."""
    return part.channel == RefundPart.Channel.STRIPE and part.state in AT_STRIPE


def _place(part: RefundPart, payments: dict[int, Payment]) -> str:
    """Where one part goes, within a list of places."""
    if part.channel in (RefundPart.Channel.STORE_CREDIT, RefundPart.Channel.CREDIT_RETURN):
        return _("to credit %(number)s") % {"number": part.credit.number} if part.credit else _("to store credit")
    if part.channel == RefundPart.Channel.MANUAL:
        return by_hand(part)
    payment = payments.get(part.payment_id)
    return _("to %(instrument)s") % {"instrument": payment.instrument} if payment else _("to the card")


def by_hand(part: RefundPart) -> str:
    """That a part is a transfer and no card is involved; with what finds it at the bank, once it was made."""
    if not part.trace_reference:
        return _("by hand")
    return _("by hand, reference %(reference)s") % {"reference": part.trace_reference}


def _decided(refund: Refund) -> str:
    """Who let it go ahead, or did not."""
    if refund.decided_by is None:
        return ""
    text = _("Rejected by %(who)s") if refund.state == State.REJECTED else _("Approved by %(who)s")
    return text % {"who": f"{person(refund.decided_by)}, {moment(refund.decided_at)}"}


def _who(refund: Refund) -> str:
    name = person(refund.requested_by) if refund.requested_by else str(refund.get_source_display())
    return f"{name}, {moment(refund.created_at)}"
