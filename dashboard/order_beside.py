"""What stands beside the money on an order's page, asked for in one question: items, other orders, credit."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet, Sum

from registration.json_rows import JSONRows, rows_of
from registration.models import Credit, Order, OrderLineItem
from registration.money import quantize_money

OTHER_ORDERS = 5
LINE = ("id", "description", "quantity", "unit_price", "line_total")
CREDIT = ("id", "amount", "remaining_amount", "status")


@dataclass(frozen=True)
class Beside:
    """What an order's page shows of other tables.

    Attributes:
        lines: The line items.
        others: The attendee's newest other orders, as far as the user may see them.
        issued: Credits that this order was refunded to; those that only record a card refund are not spendable.
        credit_left: What the attendee could spend now at the conference, in its currency.
    """

    lines: list[OrderLineItem]
    others: list[Order]
    issued: list[Credit]
    credit_left: Decimal


def beside(order: Order, user: Any) -> Beside:
    """Ask for it; however many credits and orders the attendee has, only those shown are read."""
    row = Order.objects.order_by().values_list(
        JSONRows(OrderLineItem.objects.filter(order=order.pk).order_by("pk"), *LINE),
        JSONRows(_others(order, user), "reference", "status"),
        JSONRows(_issued(order), *CREDIT),
        JSONRows(_spendable(order), "user", "left"),
    )
    lines, others, issued, left = (rows_of(text) for text in row.get(pk=order.pk))
    return Beside(
        lines=[_line(order, *values) for values in lines],
        others=[Order(reference=reference, status=status) for reference, status in others],
        issued=[_credit(order, *values) for values in issued],
        credit_left=quantize_money(left[0][1] if left else 0),
    )


def _others(order: Order, user: Any) -> QuerySet[Order]:
    visible: Any = Order.objects.visible_to(user).filter(user=order.user_id).exclude(pk=order.pk)
    newest: QuerySet[Order] = visible.order_by("-created_at")[:OTHER_ORDERS]
    return newest


def _issued(order: Order) -> QuerySet[Credit]:
    return Credit.objects.filter(source_order=order.pk).exclude(status=Credit.Status.PAID_OUT).order_by("-pk")


def _spendable(order: Order) -> QuerySet[Any, Any]:
    held = Credit.objects.spendable().filter(user=order.user_id, conference=order.conference_id).order_by()
    return held.values("user").annotate(left=Sum("remaining_amount"))


def _line(order: Order, key: int, description: str, quantity: int, price: Any, total: Any) -> OrderLineItem:
    amounts = {"unit_price": quantize_money(price), "line_total": quantize_money(total)}
    return OrderLineItem(pk=key, order=order, description=description, quantity=quantity, **amounts)


def _credit(order: Order, key: int, amount: Any, remaining: Any, status: str) -> Credit:
    amounts = {"amount": quantize_money(amount), "remaining_amount": quantize_money(remaining)}
    return Credit(pk=key, currency=order.currency, status=status, **amounts)
