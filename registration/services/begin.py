"""What a decision sets going as soon as nothing holds it back: neither a second person nor the time to undo it."""

from __future__ import annotations

from registration.models import OpenItem, Order, Refund, RefundPart
from registration.services.open_items import close_items, open_item
from registration.services.settle import settle_order, settle_refund


def begin(order: Order, refund: Refund) -> None:
    """Close what a retry settles, and carry out at once what needs no Stripe. The caller holds the order's lock."""
    if refund.retry_of is not None:
        _close_failure(order, refund, refund.retry_of)
    if not refund.parts.filter(channel=RefundPart.Channel.STRIPE).exists():
        settle_refund(order, refund, actor=refund.requested_by)
        settle_order(order)


def _close_failure(order: Order, refund: Refund, failed: Refund) -> None:
    """A retry settles what was open about the refund it tries again."""
    for part in failed.parts.all():
        close_items(
            OpenItem.Kind.FAILED,
            f"part:{part.pk}",
            conference=order.conference,
            resolution=_tried_again(refund),
            staff_user=refund.requested_by,
        )


def reopen_failure(order: Order, refund: Refund) -> None:
    """Open again what a retry had settled that was taken back before it went out. The caller holds the order's lock."""
    for item in OpenItem.objects.filter(order=order, kind=OpenItem.Kind.FAILED, resolution=_tried_again(refund)):
        open_item(
            item.kind,
            item.subject,
            conference=order.conference,
            order=order,
            refund=item.refund,
            payment=item.payment,
            facts=item.facts,
        )


def _tried_again(refund: Refund) -> str:
    return f"Tried again as {refund.number}"
