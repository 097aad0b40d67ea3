"""What the page of an order says of its line items: what went back of each, what went back of none, what is left."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from dashboard.orders.under_way import AT_STRIPE, about_to_be_words
from registration.models import Order, OrderLineItem, Refund
from registration.models.refund import ACCEPTED, RESERVING, State
from registration.money import ZERO, format_amount, format_money
from registration.services.lines import TAKEN, line_amounts_in
from registration.services.planner import is_complimentary

PROPOSED = (State.AWAITING_APPROVAL,)
TO_TRANSFER = (State.AWAITING_TRANSFER,)


@dataclass(frozen=True)
class LineEntry:
    """A line item with what of it went back and is left, without symbols."""

    item: OrderLineItem
    price: str
    """Of one."""
    discount: str
    """What was taken off the line; empty for nothing."""
    total: str
    refunded: str
    how_many: str
    """How many went back of a line that holds several; empty where the amount is no number of them."""
    under_way: tuple[str, ...]
    """What of it is on its way and what waits for something else, in words."""
    left: str
    has_refunded: bool
    has_left: bool
    why_nothing: str


def line_entries(order: Order, items: Iterable[OrderLineItem]) -> list[LineEntry]:
    """The line items. Reads what was fetched with the order."""
    taken = line_amounts_in(order, TAKEN)
    gone, under_way = line_amounts_in(order, (State.SUCCEEDED,)), _under_way(order)
    return [
        _line(
            order,
            item,
            gone[item.pk],
            taken[item.pk],
            _how_many(order, item, gone[item.pk]),
            _said_of(item, under_way),
        )
        for item in items
    ]


def _how_many(order: Order, item: OrderLineItem, gone: Decimal) -> str:
    kept = (line for refund in order.refunds.all() if refund.state == State.SUCCEEDED for line in refund.lines.all())
    counted = [(line.count, line.amount) for line in kept if line.line_item_id == item.pk and line.count is not None]
    if not counted or sum((amount for _count, amount in counted), ZERO) != gone:
        return ""
    return _("%(count)s of %(whole)s") % {"count": sum(count for count, _amount in counted), "whole": item.quantity}


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


def without_lines(order: Order, own: Decimal, at_most: Decimal) -> str:
    """That refunds which named no line leave the lines less than is left on each; empty when they do not.

    Args:
        order: With its refunds, their lines and parts.
        own: What is left on the lines, each looked at alone.
        at_most: What can still go back of the order.
    """
    unnamed = [refund for refund in order.refunds.all() if not refund.lines.all()]
    gone, reserved = (sum((_amount_in(each, states) for each in unnamed), ZERO) for states in (ACCEPTED, RESERVING))
    if own <= at_most or not gone + reserved or order.status == Order.Status.PENDING:
        return ""
    values = {"amount": format_money(gone + reserved, order.currency), "left": format_money(at_most, order.currency)}
    what = _("%(amount)s of this order was refunded without naming line items") % values
    if reserved:
        what = _("%(amount)s of this order was refunded or is reserved without naming line items") % values
    left = _("together the lines can still get %(left)s") if at_most > 0 else _("nothing is left for them")
    return f"{what}; {left % values}."


def _amount_in(refund: Refund, states: Collection[str]) -> Decimal:
    """What of a refund stands in one of ``states``; one without parts stands as a whole."""
    parts = [(part.state, part.amount) for part in refund.parts.all()] or [(refund.state, refund.amount)]
    return sum((amount for state, amount in parts if state in states), ZERO)


def _succeeded(refund: Refund) -> Decimal:
    return _amount_in(refund, (State.SUCCEEDED,)) if refund.parts.all() else ZERO


def _line(
    order: Order, item: OrderLineItem, gone: Decimal, taken: Decimal, how_many: str, under_way: tuple[str, ...]
) -> LineEntry:
    # Refunds of a custom amount name no line, so a line never offers more than is left on the whole order.
    left = max(min(item.line_total - taken, _at_most(order)), ZERO)
    amounts = (item.unit_price, item.line_total, gone, left)
    price, total, refunded, rest = (format_amount(amount, order.currency) for amount in amounts)
    discount = format_money(item.discount_amount, order.currency) if item.discount_amount else ""
    why = "" if left or under_way else _why_nothing(order, item, gone)
    return LineEntry(item, price, discount, total, refunded, how_many, under_way, rest, gone > 0, left > 0, why)


def _at_most(order: Order) -> Decimal:
    """The most that can go back of the order and so of any line; nothing while it waits for the rest of its payment."""
    return ZERO if order.status == Order.Status.PENDING else Decimal(order.refundable_amount)


def _under_way(order: Order) -> list[tuple[str, Mapping[int, Decimal]]]:
    """What is not there yet, in words, and how much of each line that is, by the line's key."""
    held = [refund for refund in order.refunds.all() if refund.is_held]
    moving = dict(line_amounts_in(order, AT_STRIPE))
    about_to_be: list[tuple[str, Mapping[int, Decimal]]] = []
    for refund in held:
        # All of it is requested, and nothing of it has gone anywhere.
        amounts = {line.line_item_id: line.amount for line in refund.lines.all()}
        about_to_be.append((about_to_be_words(refund), amounts))
        moving |= {key: moving[key] - amount for key, amount in amounts.items()}
    return [
        (_("%(amount)s on its way"), moving),
        *about_to_be,
        (_("%(amount)s to be transferred"), line_amounts_in(order, TO_TRANSFER)),
        (_("%(amount)s proposed"), line_amounts_in(order, PROPOSED)),
    ]


def _said_of(item: OrderLineItem, under_way: Iterable[tuple[str, Mapping[int, Decimal]]]) -> tuple[str, ...]:
    found = ((words, amounts.get(item.pk)) for words, amounts in under_way)
    return tuple(words % {"amount": format_money(amount, item.order.currency)} for words, amount in found if amount)


def _why_nothing(order: Order, item: OrderLineItem, gone: Decimal) -> str:
    """Why nothing of a line can go back."""
    if item.line_total <= 0:
        return _("Free of charge")
    if gone >= item.line_total:
        return _("All of it was refunded")
    if order.status == Order.Status.PENDING:
        return _("Not paid in full yet")
    if order.status != Order.Status.CANCELLED and is_complimentary(order):
        return _("Free of charge")
    return _("Nothing is left to refund on this order")
