"""How many of a line can be refunded, and what so many of it come to: the one place where a line is divided."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from decimal import Decimal

from registration.models import Order, Refund, RefundLine
from registration.money import ZERO, places, split_by_weight
from registration.services.lines import LineLeft, lines_left, total_of


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

    Never more than that, also where the order has less left than the line. A price that cannot be divided evenly gives
    some of them a cent more: whichever way they are refunded, together they come to the line's total.
    """
    return line.left_amount if count >= count_left(line, currency) else _of_the_next(line, count, currency)


def count_of(line: LineLeft, amount: Decimal) -> int:
    """How many of what is left of a line come to an amount, in the order's currency; zero when no number does."""
    currency = line.line_item.order.currency
    most = count_left(line, currency)
    about = int(amount * line.line_item.quantity / line.line_item.line_total) if line.line_item.line_total else 0
    # Their prices differ by a cent at most, so it is this number or the next; or all, with what is left beside them.
    numbers = (*range(max(1, about - 1), min(most, about + 1) + 1), *range(max(1, most), most + 1))
    return next((count for count in numbers if amount_of(line, count, currency) == amount), 0)


def counts_in(order: Order, line_amounts: Mapping[int, Decimal]) -> dict[int, int]:
    """How many of each line that holds several a refund takes, by key; nothing for what is no number of them.

    Args:
        order: Before the refund is written.
        line_amounts: How much of it is for which line item, by key, in the order's currency.
    """
    lines = lines_left(order) if line_amounts else []
    if not can_be_counted(order, lines):
        return {}
    chosen = [line for line in lines if line.line_item.quantity > 1 and line.line_item.pk in line_amounts]
    counts = {line.line_item.pk: _counted(line, line_amounts[line.line_item.pk]) for line in chosen}
    return {key: count for key, count in counts.items() if count}


def write_lines(refund: Refund, line_amounts: Mapping[int, Decimal], counts: Mapping[int, int]) -> None:
    """Write which lines a refund is for, by key: how much, and how many where that is a number of them."""
    RefundLine.objects.bulk_create(
        RefundLine(refund=refund, line_item_id=key, amount=amount, count=counts.get(key))
        for key, amount in line_amounts.items()
    )


def counted_lines(refund: Refund) -> dict[str, str]:
    """The lines of which a refund takes a number, as a fact of history: number, of how many, of what."""
    counted = refund.lines.filter(count__isnull=False).select_related("line_item").order_by("pk")
    told = [(line.count, line.line_item.quantity, line.line_item.description) for line in counted]
    return {"lines": json.dumps(told, ensure_ascii=False)} if told else {}


def _counted(line: LineLeft, amount: Decimal) -> int:
    count = count_of(line, amount)
    # All that a custom amount left of a line may be one and a bit, which is no number of them.
    is_one_and_a_bit = count == 1 and amount != _of_the_next(line, 1, line.line_item.order.currency)
    return 0 if is_one_and_a_bit else count


def _touched(line: LineLeft, currency: str) -> int:
    """How many of a line hold what went back of it, counted from the first."""
    quantity, amounts = line.line_item.quantity, (line.refunded_amount, line.line_item.line_total)
    gone, total = (int(amount.scaleb(places(currency))) for amount in amounts)
    if gone <= 0 or total <= 0:
        return 0
    # So many come to their share of the total, rounded half up: the least that come to ``gone`` solve
    # ``count * total / quantity >= gone - 1/2``.
    return min(-(-(2 * gone - 1) * quantity // (2 * total)), quantity)


def _of_the_next(line: LineLeft, count: int, currency: str) -> Decimal:
    """What ``count`` of a line come to, after those that hold what went back of it."""
    touched = _touched(line, currency)
    last = min(touched + count, line.line_item.quantity)
    return _of_the_first(line, last, currency) - _of_the_first(line, touched, currency)


def _of_the_first(line: LineLeft, count: int, currency: str) -> Decimal:
    quantity = line.line_item.quantity
    return split_by_weight(line.line_item.line_total, [Decimal(count), Decimal(quantity - count)], currency)[0]
