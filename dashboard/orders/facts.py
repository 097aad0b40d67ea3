"""What a row and a page say about an order: its second line, its one useful action, the widths of its bars."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from dashboard.addresses import order_address
from dashboard.orders.under_way import (
    about_to_be_words,
    moving_amount,
    parts_of,
    proposed_amount,
    transfer_amount,
    unconfirmed_amount,
    waiting_amount,
)
from dashboard.refunds.held import seconds_left
from registration.json_rows import fetched
from registration.models import OpenItem, Order, Refund, RefundPart
from registration.money import format_amount
from registration.refund_words import check_count
from registration.services.approval import APPROVE
from registration.services.planner import is_complimentary

BAR_WIDTH = 100
SPLIT_WIDTH = 1000
SPLIT_GAP = 3


@dataclass(frozen=True)
class SecondLine:
    """What stands below the status; ``tone`` is "warn", "wait" or nothing."""

    text: str
    tone: str = ""


@dataclass(frozen=True)
class Action:
    """The one useful thing to do with an order; ``drawer`` says that it opens over the page.

    ``post`` is where a script does it at once; without one ``url`` leads to a page that offers it. ``seconds`` is how
    long it is offered.
    """

    kind: str
    label: str
    url: str
    key: str = ""
    drawer: bool = False
    post: str = ""
    seconds: int = 0


def second_line(order: Order, reason: str) -> SecondLine | None:
    """What deserves a look beside the status, the most urgent first; ``reason`` is why nothing can be refunded.

    Reads only what a list fetched.
    """
    # Most orders of a list have neither, and none of what follows from them.
    stirred = fetched(order, "open_items") or fetched(order, "refunds")
    return (stirred and (_of_attention(order) or _of_moving(order))) or _of_blocked(order, reason) or _of_quiet(order)


def useful_action(order: Order, user: Any, reason: str, may: Callable[[str], bool]) -> Action | None:
    """What the user can usefully do next.

    Args:
        order: With its refunds and open items.
        user: Who looks; nobody decides about a proposal of their own.
        reason: Why nothing can be refunded, or empty.
        may: Whether the user holds a permission.
    """
    kinds = {item.kind for item in open_items(order)}
    if (waiting := _held_refund(order)) and may("registration.refund_order"):
        url, post = (reverse(name, args=[waiting.pk]) for name in ("refund_detail", "refund_undo"))
        return Action("undo", _("Undo"), url, post=post, seconds=seconds_left(waiting))
    if OpenItem.Kind.FAILED in kinds and may("registration.refund_order"):
        return Action("resolve", _("Resolve"), f"{order_address('order_detail', order.reference)}#refunds")
    if (proposal := _proposal_of_another(order, user)) and may(APPROVE):
        return Action("decide", _("Decide"), reverse("refund_decide", args=[proposal.pk]), drawer=True)
    if kinds & {OpenItem.Kind.UNCONFIRMED, OpenItem.Kind.UNSENT} and may("registration.refund_order"):
        return _check_action(order)
    if not reason and may("registration.refund_order"):
        return Action(
            "refund", pgettext("button", "Refund"), order_address("refund_create", order.reference), "r", drawer=True
        )
    pending = order.status == Order.Status.PENDING
    if pending and getattr(order, "has_credit", False) and may("registration.apply_credit"):
        words, url = pgettext("button of a row", "Apply credit"), order_address("credit_apply", order.reference)
        return Action("credit", words, url, "c", drawer=True)
    return None


def _held_refund(order: Order) -> Refund | None:
    """The newest refund that can still be undone."""
    return max(
        (refund for refund in fetched(order, "refunds") if refund.is_held), key=lambda each: each.pk, default=None
    )


def _proposal_of_another(order: Order, user: Any) -> Refund | None:
    """The oldest refund that this user could decide about."""
    waiting = (refund for refund in fetched(order, "refunds") if refund.state == Refund.State.AWAITING_APPROVAL)
    others = (refund for refund in waiting if user is None or refund.requested_by_id != user.pk)
    return min(others, key=lambda each: each.pk, default=None)


def _check_action(order: Order) -> Action:
    """Ask Stripe about the refund that is waited for longest."""
    asked = {OpenItem.Kind.UNCONFIRMED, OpenItem.Kind.UNSENT}
    key = next(item.refund_id for item in open_items(order) if item.kind in asked)
    if key is None:
        return Action("check", _("Check now"), f"{order_address('order_detail', order.reference)}#refunds")
    url, post = reverse("refund_detail", args=[key]), reverse("refund_check", args=[key])
    return Action("check", _("Check now"), url, post=post)


def open_items(order: Order) -> list[OpenItem]:
    """What waits for somebody on this order."""
    return [item for item in fetched(order, "open_items") if item.resolved_at is None]


def bar_of(order: Order) -> dict[str, int]:
    """Widths of the slim bar: the shares of what was paid, in percent, that are left, on their way and waiting."""
    if order.paid_amount <= 0:
        return {}
    left = _width(order.refundable_amount, order.paid_amount, BAR_WIDTH)
    moving = _width(moving_amount(order), order.paid_amount, BAR_WIDTH - left)
    waiting = _width(waiting_amount(order), order.paid_amount, BAR_WIDTH - left - moving)
    return {"left": left, "moving": moving, "waiting": waiting}


def split_parts(parts: Iterable[tuple[str, str, Decimal, str]], total: Decimal) -> list[dict[str, Any]]:
    """Lay (tone, label, amount, amount in words) side by side on the scale of a split bar."""
    drawn: list[dict[str, Any]] = []
    x = 0
    for tone, label, amount, words in parts:
        width = _width(amount, total, SPLIT_WIDTH - x)
        drawn.append({"tone": tone, "x": x, "width": max(width - SPLIT_GAP, 1 if width else 0)})
        drawn[-1] |= {"label": label, "amount": words}
        x += width
    return drawn


def _width(amount: Decimal, whole: Decimal, room: int) -> int:
    scale = BAR_WIDTH if room <= BAR_WIDTH else SPLIT_WIDTH
    return max(0, min(room, round(amount * scale / whole))) if whole > 0 else 0


def _of_attention(order: Order) -> SecondLine | None:
    items = open_items(order)
    kinds = [item.kind for item in items]
    if OpenItem.Kind.FAILED in kinds:
        refund_id = items[kinds.index(OpenItem.Kind.FAILED)].refund_id
        failed = next((refund for refund in fetched(order, "refunds") if refund.pk == refund_id), None)
        return SecondLine(_failed(failed), "warn")
    if (unconfirmed := unconfirmed_amount(order)) > 0:
        values = {"amount": _plain(unconfirmed, order), "checks": _checks(order)}
        return SecondLine(_("%(amount)s being verified, %(checks)s") % values, "wait")
    if (proposed := proposed_amount(order)) > 0:
        return SecondLine(_("%(amount)s waits for approval") % {"amount": _plain(proposed, order)}, "wait")
    told = [item for item in items if item.kind not in (OpenItem.Kind.DISPUTED, OpenItem.Kind.MANUAL_TRANSFER)]
    if not told and (to_transfer := transfer_amount(order)) > 0:
        return SecondLine(_("%(amount)s to be transferred") % {"amount": _plain(to_transfer, order)}, "wait")
    return SecondLine(str(told[0].get_kind_display()), "wait") if told else None


def _checks(order: Order) -> str:
    """How often Stripe was asked about the part that was asked about most."""
    return check_count(
        max((p for p in parts_of(order) if p.state == Refund.State.UNCONFIRMED), key=lambda part: part.checks)
    )


def _failed(refund: Refund | None) -> str:
    if refund is None:
        return _("Refund failed")
    return _("Refund of %(amount)s failed") % {"amount": format_amount(refund.amount, refund.currency)}


def _of_moving(order: Order) -> SecondLine | None:
    if held := _held_refund(order):
        return SecondLine(about_to_be_words(held) % {"amount": format_amount(held.amount, held.currency)})
    amount = moving_amount(order)
    return SecondLine(_("%(amount)s on its way") % {"amount": _plain(amount, order)}) if amount > 0 else None


def _of_blocked(order: Order, reason: str) -> SecondLine | None:
    held_back = order.refundable_amount > 0 and order.status in (Order.Status.PAID, Order.Status.PARTIALLY_REFUNDED)
    return SecondLine(reason, "wait") if held_back and reason else None


def _of_quiet(order: Order) -> SecondLine | None:
    if order.status == Order.Status.PENDING:
        held = [_held(order)] if order.hold_expires_at else []
        return SecondLine(". ".join([*_still_due(order), *held])) if held or order.paid_amount else None
    if is_complimentary(order):
        return SecondLine(_("Free of charge"))
    parts = parts_of(order)
    if order.status == Order.Status.REFUNDED and parts and _all_credit(parts):
        return SecondLine(_("Paid out as credit"))
    return None


def _still_due(order: Order) -> list[str]:
    """What a pending order that was paid in part still waits for."""
    if not order.paid_amount:
        return []
    return [_("%(amount)s still due") % {"amount": _plain(order.due_amount, order)}]


def _held(order: Order) -> str:
    assert order.hold_expires_at is not None  # noqa: S101
    minutes = int((order.hold_expires_at - timezone.now()).total_seconds() // 60)
    if minutes < 0:
        return _("Hold has ended")
    hours, minutes = divmod(minutes, 60)
    days, hours_of_day = divmod(hours, 24)
    if days:
        return _("Held for %(days)s d %(hours)s h") % {"days": days, "hours": hours_of_day}
    if hours:
        return _("Held for %(hours)s h %(minutes)s min") % {"hours": hours, "minutes": minutes}
    return _("Held for %(minutes)s min") % {"minutes": minutes}


def _all_credit(parts: Sequence[RefundPart]) -> bool:
    channels = (RefundPart.Channel.STORE_CREDIT, RefundPart.Channel.CREDIT_RETURN)
    moved = [part for part in parts if part.state == Refund.State.SUCCEEDED]
    return bool(moved) and all(part.channel in channels for part in moved)


def _plain(amount: Decimal, order: Order) -> str:
    return format_amount(amount, order.currency)
