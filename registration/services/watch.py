"""Opens an item about a refund that has been waiting for too long; what settles the refund closes it."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import CharField, Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat
from django.utils import timezone

from registration.models import Conference, OpenItem, Order, RefundPart
from registration.models.refund import State
from registration.services.open_items import open_item
from registration.services.resolve import refresh_part
from registration.services.settle import WAITING_IN, part_facts
from registration.services.shortage import keep_shortage

Channel = RefundPart.Channel
Kind = OpenItem.Kind
SENT_WITHIN = timedelta(minutes=10)
SLOW_AFTER = timedelta(days=10)


def watch_waiting(limit: int | None = None) -> Counter[str]:
    """Open what is missing about refunds that were not sent for minutes, or have been at Stripe for days.

    Args:
        limit: At most this many of each kind.

    Returns:
        How many items were opened, by kind.
    """
    opened: Counter[str] = Counter()
    for part in _unnamed(Kind.UNSENT, _unsent())[:limit]:
        opened[Kind.UNSENT] += _open(Kind.UNSENT, part)
    for part in _unnamed(Kind.SLOW, _slow())[:limit]:
        refresh_part(part)  # Its event may be lost; a refund that moved on needs no item.
        opened[Kind.SLOW] += _open(Kind.SLOW, part)
    low = OpenItem.objects.unresolved().filter(kind=Kind.BALANCE_LOW)
    for conference in Conference.objects.filter(pk__in=low.values("conference")).order_by("pk"):
        keep_shortage(conference)
    return +opened


def _unsent() -> QuerySet[RefundPart]:
    """Decided, perhaps tried, and nothing came of it: Stripe is busy, the key is broken or no worker runs.

    What of a refund needs no Stripe follows its card parts, and waits by itself only where it has none.
    """
    cards = RefundPart.objects.filter(channel=Channel.STRIPE, refund=OuterRef("refund"))
    first = Q(channel=Channel.STRIPE) | ~Exists(cards)
    return _parts().filter(first, state=State.REQUESTED, refund__updated_at__lte=timezone.now() - SENT_WITHIN)


def _slow() -> QuerySet[RefundPart]:
    waiting = _parts().filter(channel=Channel.STRIPE, state__in=WAITING_IN[Kind.SLOW])
    return waiting.filter(sent_at__lte=timezone.now() - SLOW_AFTER)


def _parts() -> QuerySet[RefundPart]:
    return RefundPart.objects.select_related("refund__order__conference", "payment").order_by("pk")


def _unnamed(kind: str, parts: QuerySet[RefundPart]) -> QuerySet[RefundPart]:
    """Those without an open item, and without one that was settled with a note in the last days."""
    subject = Concat(Value("part:"), Cast(OuterRef("pk"), CharField()))
    recent = Q(resolved_at__isnull=True) | Q(resolved_at__gt=timezone.now() - SLOW_AFTER)
    known = OpenItem.objects.filter(recent, kind=kind, refund=OuterRef("refund"), subject=subject)
    return parts.exclude(Exists(known))


@transaction.atomic
def _open(kind: Kind, part: RefundPart) -> int:
    """Open the item under the order's lock, unless the part moved on meanwhile."""
    order = Order.objects.select_for_update(no_key=True).get(pk=part.refund.order_id)
    state, since = RefundPart.objects.values_list("state", F("sent_at")).get(pk=part.pk)
    if state not in WAITING_IN[kind]:
        return 0
    facts = part_facts(part) | {"since": (since or part.created_at).isoformat()}
    about: dict[str, Any] = {"order": order, "refund": part.refund, "payment": part.payment}
    open_item(kind, f"part:{part.pk}", conference=order.conference, facts=facts, **about)
    return 1
