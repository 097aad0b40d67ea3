"""How many of a line can be refunded, and what so many of it come to: the one place where a line is divided."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from registration.models import Order
from registration.money import ZERO, split_by_weight
from registration.services.lines import LineLeft, total_of


def can_be_counted(order: Order, lines: Collection[LineLeft]) -> bool:
    """Whether one of a line is worth its share of the line: not where the order as a whole cost less."""
    return total_of(max(line.line_item.line_total, ZERO) for line in lines) <= Decimal(order.total)


def count_left(line: LineLeft, currency: str) -> int:
    """How many of a line nothing went back of; one that a custom amount touched is not whole any more.

    One where the order has less left than the line: nobody can say how many that would be.
    """
    if line.left_amount < line.line_item.line_total - line.refunded_amount:
        return 1
    return line.line_item.quantity - _touched(line, currency)


def amount_of(line: LineLeft, count: int, currency: str) -> Decimal:
    """What ``count`` of a line come to, in the order's currency; all that are left take all that is left.

    A price that cannot be divided evenly gives some of them a cent more: whichever way they are refunded, together
    they come to the line's total.
    """
    touched = _touched(line, currency)
    if count >= line.line_item.quantity - touched:
        return line.left_amount
    return _of_the_first(line, touched + count, currency) - _of_the_first(line, touched, currency)


def count_of(line: LineLeft, amount: Decimal) -> int:
    """How many of what is left of a line come to an amount, in the order's currency; zero when no number does."""
    currency = line.line_item.order.currency
    numbers = range(1, count_left(line, currency) + 1)
    return next((count for count in numbers if amount_of(line, count, currency) == amount), 0)


def _touched(line: LineLeft, currency: str) -> int:
    """How many of a line hold what went back of it, counted from the first."""
    gone, total, quantity = line.refunded_amount, line.line_item.line_total, line.line_item.quantity
    if gone <= ZERO or total <= ZERO:
        return 0
    count = min(int(gone * quantity / total), quantity)
    while count and _of_the_first(line, count - 1, currency) >= gone:
        count -= 1
    while count < quantity and _of_the_first(line, count, currency) < gone:
        count += 1
    return count


def _of_the_first(line: LineLeft, count: int, currency: str) -> Decimal:
    quantity = line.line_item.quantity
    return split_by_weight(line.line_item.line_total, [Decimal(count), Decimal(quantity - count)], currency)[0]
