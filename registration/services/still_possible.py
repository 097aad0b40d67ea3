"""Whether what was decided a while ago can still be done: its sum is reserved, but the world may have changed."""

from __future__ import annotations

from django.utils.translation import gettext as _

from registration.models import OpenItem, Order, Refund
from registration.services.planner import may_go_back, why_unusable


def why_not_any_more(order: Order, refund: Refund) -> str:
    """Why a refund that was not sent yet is not possible any more, as a sentence; empty when it still is.

    A payment was disputed or charged back, was made in another mode than the key's, did not arrive after all, or its
    money went back at Stripe meanwhile. The caller holds the order's lock.
    """
    parts = refund.parts.select_related("payment__order__conference")
    for payment in (part.payment for part in parts):
        if not may_go_back(payment):
            return why_unusable(payment)
        if not payment.is_captured:
            return _("Not refundable: a payment of this order did not arrive after all.")
    if order.status == Order.Status.PENDING:
        return _("Not refundable: the order is not paid in full any more.")
    elsewhere = OpenItem.objects.unresolved().filter(
        kind=OpenItem.Kind.EXTERNAL, refund__isnull=True, payment__in=parts.values("payment")
    )
    # The books have no room for it while this refund reserves the same money.
    return _("The same money was refunded at Stripe meanwhile.") if elsewhere.exists() else ""
