"""What matching something at Stripe to an order would do, worked out and not done: staff see the order first."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from decimal import Decimal

from django.utils.translation import gettext as _

from registration.models import OpenItem, Order
from registration.models.refund import OVER
from registration.money import ZERO, format_money
from registration.services.external import find_part, state_of
from registration.services.late_payments import ENDED_ORDERS
from registration.services.unmatched import Found, check, known_payment, look_up, nameless_payment, order_named, seen_of


@dataclass(frozen=True)
class MatchPreview:
    """An order as it is, and as it would be after the match."""

    before: Order
    after: Order
    """Never saved."""
    warnings: tuple[str, ...]
    seen: str
    """What ``match_to_order`` is told that was seen."""


def preview_match(item: OpenItem, *, reference: str) -> MatchPreview:
    """Say what matching an unmatched item to an order would do. Stripe is asked; nothing is written.

    Args:
        item: An UNMATCHED item.
        reference: The order's reference, in the item's conference.

    Raises:
        RefundError: As for ``match_to_order``, where that would refuse whatever else happens.
    """
    order = order_named(item, reference)
    found = look_up(item)
    check(order, found)
    arrives, goes = _arrives(order, found), _goes_back(order, found)
    after = copy(order)
    after.paid_amount += arrives
    if after.status == Order.Status.PENDING and after.due_amount <= ZERO:
        after.status = Order.Status.PAID
    after.refunded_amount += goes
    after.status = after.settled_status
    return MatchPreview(order, after, tuple(_warnings(order, found, arrives)), seen_of(order))


def _arrives(order: Order, found: Found) -> Decimal:
    """What the order would be paid more."""
    if found.intent is None:
        return ZERO
    payment = known_payment(order.conference, found) or nameless_payment(order, found.intent)
    return ZERO if payment is not None and payment.is_captured else found.intent.amount


def _goes_back(order: Order, found: Found) -> Decimal:
    """What would count as refunded more."""
    refund = found.refund
    if refund is None or state_of(refund) in OVER or find_part(order.conference, refund) is not None:
        return ZERO
    return refund.amount


def _warnings(order: Order, found: Found, arrives: Decimal) -> list[str]:
    said = []
    values = {"order": order.reference, "status": order.get_status_display()}
    if order.status in ENDED_ORDERS and arrives:
        said.append(_("%(order)s has ended (%(status)s): all that arrived is then owed back, as paid late.") % values)
    elif arrives and (over := min(arrives, order.paid_amount + arrives - order.total)) > ZERO:
        amount = format_money(over, order.currency)
        said.append(_("%(amount)s of this comes on top of the total of %(order)s.") % (values | {"amount": amount}))
    if found.intent is not None and not arrives and known_payment(order.conference, found) is None:
        amount = format_money(found.intent.amount, order.currency)
        said.append(
            _("%(order)s has a card payment of %(amount)s without a Stripe ID: it is taken to be this one.")
            % (values | {"amount": amount})
        )
    return said
