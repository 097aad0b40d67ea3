"""Adds to an order's history; every money-moving step calls it under the order's lock."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from registration.models import HistoryEntry, Order, Refund
from registration.said import Said, stored


def record(
    order: Order,
    kind: str,
    *,
    actor: Any = None,
    refund: Refund | None = None,
    facts: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> HistoryEntry:
    """Add one entry after the order's last. The caller holds the order's lock.

    Args:
        order: Whose history.
        kind: A key of ``registration.sentences``.
        actor: The user who did it; ``None`` for Stripe and the clock.
        refund: The refund it is about.
        facts: Strings, whole numbers and ``Said`` only; amounts as strings in major units of the order's currency.
        at: When it happened, if not now.
    """
    last = HistoryEntry.objects.filter(order=order).order_by("-position").first()
    entry = next_entry(
        last,
        order_id=order.pk,
        kind=kind,
        actor_id=getattr(actor, "pk", None),
        refund_id=getattr(refund, "pk", None),
        facts=facts,
        at=at,
    )
    entry.save(force_insert=True)
    return entry


def next_entry(
    last: HistoryEntry | None,
    *,
    order_id: int,
    kind: str,
    actor_id: int | None = None,
    refund_id: int | None = None,
    facts: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> HistoryEntry:
    """Build, without saving, the entry that follows ``last`` in the chain."""
    entry = HistoryEntry(
        order_id=order_id,
        position=last.position + 1 if last else 1,
        kind=kind,
        actor_id=actor_id,
        refund_id=refund_id,
        facts={key: _kept(value) for key, value in (facts or {}).items()},
        created_at=at or timezone.now(),
    )
    entry.digest = entry.computed_digest(last.digest if last else "")
    return entry


def _kept(value: Any) -> str | int:
    return value if isinstance(value, int) else stored(value if isinstance(value, Said) else str(value))
