"""What the page of an order says of its line items: what went back of each, what went back of none, what is left."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from registration.models import Order, OrderLineItem, Refund
from registration.models.refund import RESERVING, State
from registration.money import ZERO, format_amount, format_money
from registration.services.lines import TAKEN, line_amounts_in
from registration.services.planner import is_complimentary

PROPOSED = (State.AWAITING_APPROVAL,)
MOVING = (*set(RESERVING) - {*PROPOSED}, State.PENDING, State.REQUIRES_ACTION)


@dataclass(frozen=True)
class LineEntry:
    """A line item with what of it went back and is left, without symbols."""

    item: OrderLineItem
    total: str
    refunded: str
    under_way: tuple[str, ...]
    """What of it is on its way and what is proposed, in words."""
    left: str
    has_refunded: bool
    has_left: bool
    why_nothing: str


def line_entries(order: Order, items: Iterable[OrderLineItem]) -> list[LineEntry]:
    """The line items. Reads what was fetched with the order."""
    taken = line_amounts_in(order, TAKEN)
    gone, moving, proposed = (line_amounts_in(order, states) for states in ((State.SUCCEEDED,), MOVING, PROPOSED))
    return [_line(order, item, gone[item.pk], taken[item.pk], _under_way(item, moving, proposed)) for item in items]


def beside_the_lines(order: Order, refunded: Decimal) -> list[tuple[str, str]]:
    """What makes the refunded column come to what the order says was refunded, and that sum; nothing when it does.

    Args:
        order: With its refunds, their lines and parts.
        refunded: What went back of the order, in its currency.
    """
    on_lines = sum(line_amounts_in(order, (State.SUCCEEDED,)).values(), ZERO)
    went_out = sum((_succeeded(refund) for refund in order.refunds.all() if refund.lines.all()), ZERO)
    rows = [(_("Not assigned to an item"), refunded - went_out), (_("Kept as a fee"), went_out - on_lines)]
    shown = [(label, format_amount(amount, order.currency)) for label, amount in rows if amount]
    return [*shown, (_("Refunded in all"), format_amount(refunded, order.currency))] if shown else []


def _succeeded(refund: Refund) -> Decimal:
    return sum((part.amount for part in refund.parts.all() if part.state == State.SUCCEEDED), ZERO)


def _line(order: Order, item: OrderLineItem, gone: Decimal, taken: Decimal, under_way: tuple[str, ...]) -> LineEntry:
    # Refunds of a custom amount name no line, so a line never offers more than is left on the whole order.
    left = max(min(item.line_total - taken, order.refundable_amount), ZERO)
    total, refunded, rest = (format_amount(amount, order.currency) for amount in (item.line_total, gone, left))
    why = "" if left or under_way else _why_nothing(order, item, gone)
    return LineEntry(item, total, refunded, under_way, rest, gone > 0, left > 0, why)


def _under_way(item: OrderLineItem, moving: Mapping[int, Decimal], proposed: Mapping[int, Decimal]) -> tuple[str, ...]:
    said = ((moving[item.pk], _("%(amount)s on its way")), (proposed[item.pk], _("%(amount)s proposed")))
    return tuple(words % {"amount": format_money(amount, item.order.currency)} for amount, words in said if amount)


def _why_nothing(order: Order, item: OrderLineItem, gone: Decimal) -> str:
    """Why nothing of a line can go back."""
    if item.line_total <= 0:
        return _("Free of charge")
    if gone >= item.line_total:
        return _("All of it was refunded")
    if order.status == Order.Status.PENDING:
        return _("Not paid in full yet")
    if order.status != Order.Status.CANCELLED and is_complimentary(order):
        return _("Complimentary")
    return _("Nothing is left to refund on this order")
