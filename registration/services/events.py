"""What Stripe's events lead to. An event is a hint: the object is fetched, and its state now is what counts.

Events come late, twice and out of order, so nothing is read from their payload but which object to look at.
"""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db.models import F
from django.utils import timezone

from registration.models import Conference, StripeEvent
from registration.services.disputes import apply_dispute
from registration.services.event_queue import LOOK_AGAIN
from registration.services.external import apply_refund
from registration.services.late_payments import apply_intent
from registration.services.shortage import keep_shortage
from registration.stripe_gateway import gateway_for

State = StripeEvent.State
MOST_ATTEMPTS = 8
LEASE = timedelta(minutes=3)
"""How long one worker may take; after a crash the event is anybody's again."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(hours=1)

logger = logging.getLogger(__name__)


def process_due(limit: int | None = None) -> Counter[str]:
    """Process stored events whose time has come, oldest first.

    Args:
        limit: At most so many; all of them when left out.

    Returns:
        How many ended in each state; STORED means that they will be tried again.
    """
    outcome: Counter[str] = Counter()
    due = StripeEvent.objects.filter(state=State.STORED, next_attempt_at__lte=timezone.now()).order_by("pk")
    for event in due.select_related("conference")[:limit]:
        if (state := process(event)) is not None:
            outcome[state] += 1
    return outcome


def process(event: StripeEvent) -> str | None:
    """Process one event, unless somebody else has it or it is done.

    Whatever goes wrong is kept with the event, and it is tried again later; after eight attempts it is FAILED.

    Returns:
        The state it ended in, or ``None`` when it was not ours to process.
    """
    if not claim(event):
        return None
    handler = HANDLERS.get(event.type)
    if handler is None:
        return finish(event, State.IGNORED)
    try:
        handler(event.conference, event.payload["data"]["object"])
    except Exception as error:
        logger.exception("event_not_processed event=%s type=%s attempt=%d", event.event_id, event.type, event.attempts)
        return put_back(event, error)
    return finish(event, State.PROCESSED)


def replay(event: StripeEvent) -> str | None:
    """Process an event again from the start, whatever became of it; applying a state twice changes nothing."""
    StripeEvent.objects.filter(pk=event.pk).update(
        state=State.STORED, attempts=0, last_error="", next_attempt_at=timezone.now()
    )
    return process(event)


def retry_failed(conference: Conference) -> int:
    """Put every failed event of a conference back into the queue, oldest first; returns how many those are."""
    failed = StripeEvent.objects.filter(conference=conference, state=State.FAILED)
    return failed.update(state=State.STORED, attempts=0, last_error="", next_attempt_at=timezone.now())


def claim(event: StripeEvent) -> bool:
    """Take a due event for a few minutes.

    One conditional update, so of several workers one gets it, on every database, and no lock is held while Stripe
    is asked.
    """
    now = timezone.now()
    mine = StripeEvent.objects.filter(pk=event.pk, state=State.STORED, next_attempt_at__lte=now)
    claimed = mine.update(attempts=F("attempts") + 1, next_attempt_at=now + LEASE)
    if claimed:
        event.refresh_from_db()
    return bool(claimed)


def finish(event: StripeEvent, state: str) -> str:
    """Keep that an event is done with."""
    event.state, event.processed_at, event.last_error = state, timezone.now(), ""
    event.save(update_fields=["state", "processed_at", "last_error"])
    return state


def put_back(event: StripeEvent, error: Exception) -> str:
    """Keep why an event could not be processed, and when to try again."""
    event.last_error = f"{type(error).__name__}: {error}"[:2000]
    event.state = State.FAILED if event.attempts >= MOST_ATTEMPTS else State.STORED
    event.next_attempt_at = timezone.now() + pause_after(event.attempts)
    event.save(update_fields=["state", "last_error", "next_attempt_at"])
    return event.state


def pause_after(attempts: int) -> timedelta:
    """Twice as long each time, with some chance, so that many events do not return at once."""
    pause: timedelta = FIRST_PAUSE * 2 ** (attempts - 1)
    return min(pause, LONGEST_PAUSE) * random.uniform(0.8, 1.2)  # noqa: S311


def refund_changed(conference: Conference, hint: dict[str, Any]) -> None:
    """A refund was made or moved."""
    apply_refund(conference, gateway_for(conference).fetch_refund(hint["id"]))
    keep_shortage(conference)


def charge_changed(conference: Conference, hint: dict[str, Any]) -> None:
    """A charge was refunded in part or whole; the charge does not say how, so its refunds are listed."""
    if not hint.get("amount_refunded"):
        return
    for snapshot in gateway_for(conference).list_refunds_of_charge(hint["id"]):
        apply_refund(conference, snapshot)


def dispute_changed(conference: Conference, hint: dict[str, Any]) -> None:
    """A cardholder disputed a charge, or the dispute moved."""
    apply_dispute(conference, gateway_for(conference).fetch_dispute(hint["id"]), opened=hint.get("created"))


def intent_changed(conference: Conference, hint: dict[str, Any]) -> None:
    """A card payment succeeded, failed or was cancelled."""
    apply_intent(conference, gateway_for(conference).fetch_payment_intent(hint["id"]))


HANDLERS: dict[str, Callable[[Conference, dict[str, Any]], None]] = {
    "refund.created": refund_changed,
    "refund.updated": refund_changed,
    "refund.failed": refund_changed,
    LOOK_AGAIN: refund_changed,
    "charge.refund.updated": refund_changed,
    "charge.refunded": charge_changed,
    "charge.updated": charge_changed,
    "charge.dispute.created": dispute_changed,
    "charge.dispute.updated": dispute_changed,
    "charge.dispute.closed": dispute_changed,
    "charge.dispute.funds_withdrawn": dispute_changed,
    "charge.dispute.funds_reinstated": dispute_changed,
    "payment_intent.succeeded": intent_changed,
    "payment_intent.payment_failed": intent_changed,
    "payment_intent.canceled": intent_changed,
}
