"""Open items: what a person should look at, opened once and settled by name."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from registration.models import Conference, OpenItem, Order, Payment, Refund
from registration.said import Sentence
from registration.services.errors import RefundError


def open_item(
    kind: str,
    subject: str,
    *,
    conference: Conference,
    order: Order | None = None,
    refund: Refund | None = None,
    payment: Payment | None = None,
    facts: dict[str, Any] | None = None,
) -> OpenItem:
    """Open an item, or return the one that is already open for the same kind and subject.

    Args:
        kind: One of ``OpenItem.Kind``.
        subject: What it is about: a Stripe id, ``refund:7``, ``payment:9``.
        conference: Whose staff should look.
        order: The order it concerns, when one is known.
        refund: The refund it concerns.
        payment: The payment it concerns.
        facts: What the sentence needs; amounts as strings in major units.
    """
    item, _made = OpenItem.objects.get_or_create(
        conference=conference,
        kind=kind,
        subject=subject,
        resolved_at=None,
        defaults={"order": order, "refund": refund, "payment": payment, "facts": facts or {}},
    )
    return item


def open_item_once(kind: str, subject: str, *, conference: Conference, **details: Any) -> OpenItem:
    """Open an item unless one for the same kind and subject was ever opened: staff have seen it."""
    seen = OpenItem.objects.filter(conference=conference, kind=kind, subject=subject).order_by("pk").last()
    return seen or open_item(kind, subject, conference=conference, **details)


def close_items(
    kind: str | Collection[str], subject: str, *, conference: Conference, resolution: Sentence, staff_user: Any = None
) -> int:
    """Settle what something else settled, of one kind or several; the resolution says how, and ``staff_user`` who."""
    kinds = (kind,) if isinstance(kind, str) else kind
    items = OpenItem.objects.unresolved().filter(conference=conference, kind__in=kinds, subject=subject)
    return items.update(resolved_at=timezone.now(), resolution=resolution, resolved_by=staff_user)


@transaction.atomic
def resolve_item(item: OpenItem, *, staff_user: Any, resolution: Sentence) -> OpenItem:
    """Settle an item in somebody's name.

    Args:
        item: Only its key is trusted; the row is read again under a lock.
        staff_user: Who settled it.
        resolution: What was done about it, in words the next colleague will read, or by ``say``.

    Raises:
        RefundError: Nothing was said about what was done, or a colleague was first.
    """
    resolution = resolution.strip() if isinstance(resolution, str) else resolution
    if not resolution:
        raise RefundError(_("Say what was done about it."))
    locked = OpenItem.objects.select_for_update(no_key=True).get(pk=item.pk)
    if locked.resolved_at is not None:
        raise RefundError(_("This item has been settled already."))
    locked.resolved_at, locked.resolved_by, locked.resolution = timezone.now(), staff_user, resolution
    locked.save(update_fields=["resolved_at", "resolved_by", "resolution"])
    return locked
