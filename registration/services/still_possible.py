"""Whether what was decided a while ago can still be done: its sum is reserved, but the world may have changed."""

from __future__ import annotations

from registration.models import OpenItem, Order, Refund
from registration.said import Said, say
from registration.services.planner import may_go_back, why_unusable
from registration.services.retries import family_of, is_one_too_many
from registration.services.surplus import why_beyond_surplus


def why_not_any_more(order: Order, refund: Refund) -> Said | None:
    """Why a refund that was not sent yet is not possible any more, as a sentence; ``None`` when it still is.

    A payment was disputed or charged back, was made in another mode than the key's, did not arrive after all, its
    money went back at Stripe meanwhile, or the surplus that it was for is gone. The caller holds the order's lock.
    """
    parts = refund.parts.select_related("payment__order__conference")
    for payment in (part.payment for part in parts):
        if not may_go_back(payment):
            return why_unusable(payment)
        if not payment.is_captured:
            return say("did_not_arrive")
    if order.status == Order.Status.PENDING:
        return say("not_paid_in_full")
    elsewhere = OpenItem.objects.unresolved().filter(
        kind=OpenItem.Kind.EXTERNAL, refund__isnull=True, payment__in=parts.values("payment")
    )
    # The books have no room for it while this refund reserves the same money, or took in what arrived after all.
    if elsewhere.exists() or is_one_too_many(refund):
        return say("refunded_meanwhile")
    return why_beyond_surplus(order, family_of(refund))
