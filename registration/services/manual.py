"""Parts that somebody pays back by hand, ticked off with a reference."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from registration.models import OpenItem, RefundPart
from registration.models.refund import State
from registration.services.errors import RefundError
from registration.services.open_items import close_items
from registration.services.settle import move_part


@transaction.atomic
def confirm_manual(part: RefundPart, *, reference: str, staff_user: Any) -> RefundPart:
    """Record that a manual transfer was made.

    Args:
        part: A MANUAL part that is pending; only its key is trusted.
        reference: What finds the transfer again at the bank.
        staff_user: Who made it.

    Raises:
        RefundError: No reference, or nothing of this part waits for a transfer.
    """
    reference = reference.strip()
    if not reference:
        raise RefundError(_("Enter the reference of the transfer."))
    fresh = RefundPart.objects.select_related("refund__order__conference").get(pk=part.pk)
    moved = fresh.channel == RefundPart.Channel.MANUAL and move_part(
        fresh, State.SUCCEEDED, actor=staff_user, trace_reference=reference[:100]
    )
    if not moved:
        raise RefundError(_("Nothing here waits for a transfer."))
    close_items(
        OpenItem.Kind.MANUAL_TRANSFER,
        f"part:{part.pk}",
        conference=fresh.refund.order.conference,
        resolution=f"Paid by hand, reference {reference[:200]}",
    )
    fresh.refresh_from_db()
    return fresh
