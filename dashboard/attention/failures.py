"""What is said of a refund that failed: what may be its repeat at Stripe, and what can still be done about it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from registration.attention import advice, amount_of
from registration.models import OpenItem
from registration.money import ZERO, format_money
from registration.services.planner import blocked_reason
from registration.services.repeats import Repeat

Kind = OpenItem.Kind


def repeat_in_words(item: OpenItem, repeat: Repeat) -> str:
    """That a refund made at Stripe may be the repeat of one that failed, at either's item."""
    made, failed = repeat.part.refund, repeat.failure.refund
    day = date_format(item.conference.localtime(repeat.part.sent_at or made.created_at), "DATE_FORMAT")
    values = {"number": made.number, "amount": format_money(made.amount, made.currency), "date": day}
    if item.kind == Kind.FAILED:
        what = _(
            "%(number)s over %(amount)s was made at Stripe on %(date)s for the same payment. If it was made for this,"
            " send nothing again."
        )
        return what % values
    values = {"number": failed.number if failed else "", "amount": amount_of(repeat.failure)}
    return _("%(number)s over %(amount)s of the same payment failed before it and is still open.") % values


def advice_on(item: OpenItem, repeats: Sequence[Repeat]) -> str:
    """What somebody should do about it: first of all find out whether it was repeated at Stripe."""
    if item.kind != Kind.FAILED or item.resolved_at is not None:
        return advice(item)
    why = why_never_again(item)
    if repeats and why:
        return _("Check first whether that was made for this, and settle both if it was.") + f" {why}"
    if repeats:
        return _(
            "Check first whether that was made for this, and settle both if it was. Only if it was not, send it again"
            " or give it as store credit."
        )
    if why:
        return f"{why} " + _("Look whether the attendee has it another way, and say so.")
    return " ".join(each for each in (advice(item), why_not_by_hand(item)) if each)


def why_never_again(item: OpenItem) -> str:
    """Why nothing of the order can go back for a failure, neither to the card nor as credit; empty when some can."""
    return blocked_reason(item.order) if item.order is not None else ""


def why_not_by_hand(item: OpenItem) -> str:
    """Why a failure cannot be paid by hand, where it could be if more were left of its payment; else empty."""
    payment, order = item.payment, item.order
    if part_key(item) is None or payment is None or order is None:
        return ""
    left = min(payment.refundable_amount, order.refundable_amount)
    if Decimal(str(item.facts.get("amount") or ZERO)) <= left:
        return ""
    values = {"left": format_money(left, order.currency), "instrument": payment.instrument}
    return _("At most %(left)s of %(instrument)s can still go back, so it cannot be paid by hand.") % values


def can_be_paid_by_hand(item: OpenItem) -> bool:
    """Whether a transfer may be recorded instead of what failed."""
    has_part = item.kind == Kind.FAILED and item.order is not None and part_key(item) is not None
    return has_part and not why_never_again(item) and not why_not_by_hand(item)


def part_key(item: OpenItem) -> int | None:
    """The part that an item is about; the subject names it, as ``part:7``."""
    key = item.subject.removeprefix("part:")
    return int(key) if key.isdecimal() else None
