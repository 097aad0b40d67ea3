"""Has stored events looked at again: when one could not be processed yet, and what it waited for has happened."""

from __future__ import annotations

from collections.abc import Collection

from django.utils import timezone

from registration.models import Conference, OpenItem, Order, StripeEvent

State = StripeEvent.State


def queue_again(conference: Conference, stripe_ids: Collection[str]) -> int:
    """Have what is stored or failed about some objects processed again soon; returns how many events that are."""
    waiting = StripeEvent.objects.filter(conference=conference, state__in=(State.STORED, State.FAILED))
    about = waiting.filter(payload__data__object__id__in=[each for each in stripe_ids if each])
    return about.update(state=State.STORED, attempts=0, last_error="", next_attempt_at=timezone.now())


def queue_what_had_no_room(order: Order) -> None:
    """Take in soon what was refunded at Stripe while a refund of ours, which ended just now, reserved its money."""
    for item in OpenItem.objects.not_in_the_books(order):
        queue_again(order.conference, (item.subject, item.facts.get("charge_id", "")))
