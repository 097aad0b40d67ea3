"""What staff do about an open item that is not a refund of its own: acknowledge it, or ask Stripe."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from registration.models import OpenItem
from registration.models.refund import State
from registration.services.errors import RefundError
from registration.services.open_items import close_items, resolve_item
from registration.services.resolve import resolve_refund

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
        RefundError: Nothing was said, a colleague was first, or only the thing itself settles it.
    """
    if item.kind in NOT_BY_WORDS:
        raise RefundError(_("A note does not settle this; it goes away when the refund itself is settled."))
    return resolve_item(item, staff_user=staff_user, resolution=note)


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
            resolution=f"Stripe answered: {refund.get_state_display()}.",
        )
    item.refresh_from_db()
    return item
