"""One row of the orders list, always drawn from what the database says now."""

from __future__ import annotations

from typing import Any

from django.db.models import Exists, OuterRef
from django_tables2.rows import BoundRow

from dashboard.tables import OrderTable
from registration.models import Credit, Order
from registration.models.order import OrderQuerySet


def listed_orders() -> OrderQuerySet:
    """Orders with all that their rows show, at a cost that does not grow with the rows."""
    credits = Credit.objects.spendable().filter(user=OuterRef("user"), conference=OuterRef("conference"))
    orders: OrderQuerySet = Order.objects.for_list().annotate(has_credit=Exists(credits.order_by()))
    return orders


def row_for(order: Order, user: Any = None) -> BoundRow:
    """Read an order again and draw its row.

    Args:
        order: Only its key is trusted.
        user: Whose actions the row offers; without one it offers all, and the actions themselves decide.
    """
    fresh = listed_orders().get(pk=order.pk)
    return OrderTable([fresh], user=user).rows[0]
