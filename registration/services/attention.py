"""What staff do about an open item beside refunding: acknowledge it, ask Stripe, send back what came late."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from registration.models import OpenItem, Order, Refund
from registration.models.refund import OVER, State
from registration.money import format_money
from registration.said import say
from registration.services.errors import RefundError, RefundProposed
from registration.services.history import record
from registration.services.late_payments import ENDED_ORDERS
from registration.services.limits import WITHOUT_LIMIT
from registration.services.open_items import close_items, resolve_item
from registration.services.refund import RefundService
from registration.services.resolve import resolve_refund
from registration.services.retries import most_to_try
from registration.services.surplus import left_for
from registration.services.twice import went_back_twice

Kind = OpenItem.Kind

NOT_BY_WORDS = (Kind.UNCONFIRMED, Kind.UNSENT, Kind.BALANCE_LOW, Kind.MANUAL_TRANSFER, Kind.APPROVAL)
"""Money is reserved or owed until the thing itself is done, so a note cannot settle these."""
CAN_BE_ASKED = (Kind.UNCONFIRMED, Kind.UNSENT, Kind.BALANCE_LOW, Kind.SLOW)
STILL_WAITING = {
    Kind.UNCONFIRMED: (State.REQUESTED, State.UNCONFIRMED),
    Kind.UNSENT: (State.REQUESTED,),
    Kind.BALANCE_LOW: (State.PENDING,),
    Kind.SLOW: (State.REQUESTED, State.UNCONFIRMED, State.PENDING, State.REQUIRES_ACTION),
}


def acknowledge(item: OpenItem, *, note: str, staff_user: Any) -> OpenItem:
    """Settle an item by saying what was done about it.

    Raises:
        RefundError: Nothing was said, a colleague was first, only the thing itself settles it, or only Finance may.
    """
    if item.kind in NOT_BY_WORDS:
        raise RefundError(_("A note does not settle this; it goes away when the refund itself is settled."))
    if went_back_twice(item):
        return _write_off(item, note, staff_user)
    return resolve_item(item, staff_user=staff_user, resolution=note)


@transaction.atomic
def _write_off(item: OpenItem, note: str, staff_user: Any) -> OpenItem:
    """Accept that money went back twice. It stays outside the balances, so Finance signs for it, in the history."""
    if not staff_user.has_perm(WITHOUT_LIMIT):
        raise RefundError(_("This money went back twice and no book has room for it. Finance can write it off."))
    order = Order.objects.select_for_update(of=("self",), no_key=True).get(open_items=item.pk)
    facts = {name: item.facts.get(name, "") for name in ("amount", "currency")} | {"stripe_id": item.subject}
    settled = resolve_item(item, staff_user=staff_user, resolution=note)
    record(order, "refund_written_off", actor=staff_user, facts=facts | {"reason": note})
    return settled


def can_be_sent_back(item: OpenItem) -> bool:
    """Whether an item is about money that arrived after its order had ended and is still here."""
    ended = item.order is not None and item.order.status in ENDED_ORDERS
    return item.kind == Kind.PAID_LATE and ended and item.payment is not None and item.payment.refundable_amount > 0


def send_back(item: OpenItem, *, staff_user: Any, amount_seen: Decimal | None = None) -> Refund:
    """Refund to its own card what arrived after the order had ended; pressed twice, it is one refund.

    One that came to nothing is tried again by a new refund that names it. The item settles itself once the money went
    back.

    Args:
        item: PAID_LATE.
        staff_user: Who decided it.
        amount_seen: What the operator saw would go back, in the order's currency.

    Returns:
        The refund; above the limit of ``staff_user`` it is a proposal that waits for a second person.

    Raises:
        RefundError: Nothing of it is left, or another amount than was seen, or what a refund raises beside
            ``RefundProposed``.
    """
    if not can_be_sent_back(item) or item.order is None or item.payment is None:
        raise RefundError(_("Nothing of this is left to send back."))
    amount = left_for(item, item.order)
    if amount_seen is not None and amount_seen != amount:
        raise RefundError(
            _("The amount changed since you opened this: %(now)s can be sent back now.")
            % {"now": format_money(amount, item.order.currency)}
        )
    name = f"item-{item.pk}-"
    over = list(item.order.refunds.filter(nonce__startswith=name, state__in=OVER).order_by("pk"))
    nonce = f"{name}{item.payment.refunded_amount}-{len(over)}"
    with suppress(RefundProposed):
        RefundService.create_refund(
            item.order,
            amount=amount,
            destination=Refund.Destination.CARD,
            staff_user=staff_user,
            internal_reason=say("after_end"),
            nonce=nonce,
            retry_of=_to_try_again(over, amount),
            after_end=True,
            propose=True,
            for_item=item,
        )
    return Refund.objects.get(nonce=nonce)


def _to_try_again(over: list[Refund], amount: Decimal) -> Refund | None:
    """The newest of those that came to nothing of which ``amount`` is left to try.

    None when others took it on themselves: what is left of the payment then came back of another refund.
    """
    failed = (refund for refund in reversed(over) if refund.state != State.REJECTED)
    return next((each for each in failed if (most := most_to_try(each)) is None or amount <= most), None)


def check_now(item: OpenItem) -> OpenItem:
    """Ask Stripe what became of the refund that the item is about, and settle the item when it waits no longer.

    Raises:
        RefundError: The item is not about a refund that Stripe can be asked for.
    """
    if item.kind not in CAN_BE_ASKED or item.refund is None:
        raise RefundError(_("There is nothing to ask Stripe about this."))
    refund = resolve_refund(item.refund)
    if refund.state not in STILL_WAITING[Kind(item.kind)]:
        close_items(
            item.kind,
            item.subject,
            conference=item.conference,
            resolution=say("answered", state=refund.state),
        )
    item.refresh_from_db()
    return item
