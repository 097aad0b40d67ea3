"""Has stored events looked at again: when one could not be processed yet, and what it waited for has happened."""

from __future__ import annotations

from collections.abc import Collection

from django.utils import timezone

from registration.models import Conference, OpenItem, Order, StripeEvent

State = StripeEvent.State
LOOK_AGAIN = "desk.refund_has_room"
"""The type of our own hint to fetch a refund at Stripe; Stripe sends none by this name."""


def queue_again(conference: Conference, stripe_ids: Collection[str]) -> int:
    """Have what is stored or failed about some objects processed again soon; returns how many events that are."""
    waiting = StripeEvent.objects.filter(conference=conference, state__in=(State.STORED, State.FAILED))
    about = waiting.filter(payload__data__object__id__in=[each for each in stripe_ids if each])
    return about.update(state=State.STORED, attempts=0, last_error="", next_attempt_at=timezone.now())


def queue_what_had_no_room(order: Order) -> None:
    """Take in soon what was refunded at Stripe while a refund of ours, which ended just now, held its money.

    Where no event of it ever came, as when a comparison found it, a hint of our own stands in.
    """
    for item in OpenItem.objects.not_in_the_books(order):
        queue_again(order.conference, (item.facts.get("charge_id", ""),))
        if not queue_again(order.conference, (item.subject,)):
            _queue_hint(order.conference, item.subject)


def _queue_hint(conference: Conference, refund_id: str) -> None:
    payload = {"type": LOOK_AGAIN, "data": {"object": {"id": refund_id, "object": "refund"}}}
    afresh = {"state": State.STORED, "attempts": 0, "next_attempt_at": timezone.now()}
    StripeEvent.objects.update_or_create(
        conference=conference, event_id=f"desk_{refund_id}", defaults={"type": LOOK_AGAIN, "payload": payload} | afresh
    )
