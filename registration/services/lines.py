"""What is left to refund on each line of an order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from registration.models import Order, OrderLineItem, RefundLine
from registration.models.refund import OVER
from registration.money import ZERO


@dataclass(frozen=True)
class LineLeft:
    """One line; amounts in the order's currency, major units."""

    line_item: OrderLineItem
    refunded_amount: Decimal
    left_amount: Decimal


def lines_left(order: Order) -> list[LineLeft]:
    """Each line with what refunds took of it and what is left.

    Refunds of a custom amount name no line, so a line never has more left than the whole order.
    """
    taken: dict[int, Decimal] = {}
    lines = RefundLine.objects.filter(refund__order=order).exclude(refund__state__in=OVER)
    for line_pk, amount in lines.values_list("line_item_id", "amount"):
        taken[line_pk] = taken.get(line_pk, ZERO) + amount
    return [_line_left(line, taken.get(line.pk, ZERO), order) for line in order.line_items.all()]


def _line_left(line: OrderLineItem, refunded: Decimal, order: Order) -> LineLeft:
    left = max(ZERO, line.line_total - refunded)
    return LineLeft(line, refunded, min(left, order.refundable_amount))


def total_of(amounts: Iterable[Decimal]) -> Decimal:
    """The sum of what was chosen on lines of one order."""
    return sum(amounts, ZERO)
