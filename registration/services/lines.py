"""What refunds took of each line of an order, and what is left, for the form and for the order's page."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import prefetch_related_objects
from django.utils.translation import gettext as _

from registration.models import Order, OrderLineItem, Refund
from registration.models.refund import ACCEPTED, RESERVING
from registration.money import ZERO, split_by_weight
from registration.services.errors import RefundError

TAKEN = (*RESERVING, *ACCEPTED)


@dataclass(frozen=True)
class LineLeft:
    """One line; amounts in the order's currency, major units."""

    line_item: OrderLineItem
    refunded_amount: Decimal
    left_amount: Decimal


def lines_left(order: Order) -> list[LineLeft]:
    """Each line with what refunds took of it and what can still be chosen.

    Refunds of a custom amount name no line, so a line never offers more than is left on the whole order.
    """
    balances = line_item_balances(order)
    return [
        LineLeft(line, line.line_total - balances[line.pk], max(ZERO, min(balances[line.pk], order.refundable_amount)))
        for line in order.line_items.all()
    ]


def line_item_balances(order: Order) -> dict[int, Decimal]:
    """What is left to refund on each line item, by key, in the order's currency."""
    taken = line_amounts_in(order, TAKEN)
    items = OrderLineItem.objects.filter(order=order)
    return {item.pk: item.line_total - taken[item.pk] for item in items}


def line_amounts_in(order: Order, states: Collection[str]) -> dict[int, Decimal]:
    """How much of each line item is in movements that stand in one of ``states``, by the line's key.

    Reads the order's refunds with their lines and parts, as far as they were not fetched with it.
    """
    amounts: dict[int, Decimal] = defaultdict(lambda: ZERO)
    refunds = list(order.refunds.all())
    prefetch_related_objects(refunds, "lines", "parts")
    for refund in refunds:
        for key, amount in _shares(refund, states):
            amounts[key] += amount
    return amounts


def _shares(refund: Refund, states: Collection[str]) -> Iterable[tuple[int, Decimal]]:
    """A refund's lines, each in proportion to what of the refund is in ``states``; one may fail in part."""
    lines = list(refund.lines.all())
    if not lines:
        return []
    parts = [(part.state, part.amount) for part in refund.parts.all()] or [(refund.state, refund.amount)]
    inside = sum((amount for state, amount in parts if state in states), ZERO)
    outside = sum((amount for state, amount in parts if state not in states), ZERO)
    whole = sum((line.amount for line in lines), ZERO)
    share = split_by_weight(whole, [inside, outside], refund.currency)[0]
    weights = [line.amount for line in lines]
    return zip((line.line_item_id for line in lines), split_by_weight(share, weights, refund.currency), strict=True)


def left_on_the_lines(order: Order, items: Iterable[OrderLineItem]) -> Decimal:
    """What is left on lines of an order, each looked at alone. Reads the order's refunds, their lines and parts."""
    taken = line_amounts_in(order, TAKEN)
    return total_of(max(item.line_total - taken[item.pk], ZERO) for item in items)


def total_of(amounts: Iterable[Decimal]) -> Decimal:
    """The sum of what was chosen on lines of one order."""
    return sum(amounts, ZERO)


def check_lines(order: Order, line_amounts: Mapping[int, Decimal], amount: Decimal) -> None:
    """Line items must be the order's own, have enough left, and add up to what is asked.

    Raises:
        RefundError: Saying which of it is not so.
    """
    if not line_amounts:
        return
    left = line_item_balances(order)
    for key, wanted in line_amounts.items():
        if key not in left or not ZERO < wanted <= left[key]:
            raise RefundError(_("A selected line item has less left than was selected. Reload the order."))
    if sum(line_amounts.values(), ZERO) != amount:
        raise RefundError(_("The selected line items do not add up to the amount."))
