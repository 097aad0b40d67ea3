"""What is left to refund on each line of an order, for the form that offers it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from registration.models import Order, OrderLineItem
from registration.money import ZERO
from registration.services.refund import line_item_balances


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


def total_of(amounts: Iterable[Decimal]) -> Decimal:
    """The sum of what was chosen on lines of one order."""
    return sum(amounts, ZERO)
