"""After the storm: faults are over, time passes, and everything that is open is finished."""

import logging
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from random import Random
from urllib.error import HTTPError

from django.db.models import F, QuerySet
from django.utils import timezone

from registration.models import Conference, Difference, Refund, RefundPart, StripeEvent
from registration.models.refund import State
from registration.services.approval import approve_refund, reject_refund
from registration.services.comparison.asking import Asker
from registration.services.comparison.repair import repair_all
from registration.services.comparison.run import begin, carry_on, claim
from registration.services.errors import RefundError
from registration.services.events import process_due, replay
from registration.services.resolve import resolve_open
from tools.torture.haste import LONGER_THAN_PATIENCE, QUICK_WEBHOOKS
from tools.torture.sandbox import Sandbox
from tools.torture.scene import Staff

QUIET_WITHIN_SECONDS = 30.0
ENOUGH = 100_000_000
OPEN = (State.REQUESTED, State.UNCONFIRMED)
DAY = timedelta(hours=25)

log = logging.getLogger("registration.torture")


def settle(conference: Conference, sandbox: Sandbox, rng: Random, staff: Staff, hush: Callable[[], None]) -> list[str]:
    """Let everything end by events and the resolver alone, with late failures in between; what did not in time.

    Args:
        conference: Of this run.
        sandbox: Its account.
        rng: Decides what happens.
        staff: Who decides about what waits.
        hush: Ends every process that could be asking Stripe.
    """
    sandbox.control("faults", "DELETE")
    sandbox.control("webhooks", "DELETE")
    sandbox.control("webhooks", **QUICK_WEBHOOKS)
    decide_proposals(conference, rng, staff)
    if rng.random() < 0.2 and open_parts(conference).exists():
        hush()  # Nobody takes a day over one request.
        wait_until_idle(sandbox)
        a_day_passes(conference, sandbox)
    open_still = become_quiet(conference, sandbox)
    sandbox.control("balance", available={"usd": ENOUGH})
    sandbox.control("tick", all=True)
    fail_late(sandbox, rng)
    close_disputes(sandbox, rng)
    open_still += become_quiet(conference, sandbox)
    for event in StripeEvent.objects.filter(conference=conference, state=StripeEvent.State.FAILED):
        replay(event)
    return open_still + become_quiet(conference, sandbox)


def decide_proposals(conference: Conference, rng: Random, staff: Staff) -> None:
    """Finance decides about what is left waiting."""
    for refund in Refund.objects.filter(order__conference=conference, state=State.AWAITING_APPROVAL):
        try:
            if rng.random() < 0.5:
                approve_refund(refund, staff_user=staff.finance)
                continue
        except RefundError as problem:
            log.info("not approved: %s", problem)
        reject_refund(refund, staff_user=staff.finance, reason="Too late")


def compare(conference: Conference) -> list[str]:
    """Compare with Stripe and repair, as staff would with the drift report; returns what it named."""
    run = begin(conference, until=timezone.now() + 99 * DAY, afresh=True)  # The sandbox's clock may be ahead.
    asker = Asker(conference)
    if not claim(run, at_once=True) or not carry_on(run, asker, second_look=timedelta(0)):
        return ["the comparison was not finished"]
    found = list(run.differences.filter(state=Difference.State.OPEN).select_related("run__conference"))
    repair_all(found, asker=asker)
    return [str(each) for each in found]


def open_parts(conference: Conference) -> QuerySet[RefundPart]:
    """Parts whose outcome is not known."""
    return RefundPart.objects.filter(refund__order__conference=conference, state__in=OPEN, channel="STRIPE")


def held_refunds(conference: Conference) -> QuerySet[Refund]:
    """Refunds that can still be undone, or that nobody sent since."""
    return Refund.objects.filter(order__conference=conference, hold_until__isnull=False)


def wait_until_idle(sandbox: Sandbox) -> None:
    """Let what is on its way to Stripe get there."""
    until = time.monotonic() + QUIET_WITHIN_SECONDS
    time.sleep(LONGER_THAN_PATIENCE)
    while sandbox.serving() and time.monotonic() < until:
        time.sleep(LONGER_THAN_PATIENCE)


def a_day_passes(conference: Conference, sandbox: Sandbox) -> None:
    """Make what is open older than an idempotency key gets; Stripe forgets the keys meanwhile."""
    open_parts(conference).update(created_at=F("created_at") - DAY, sent_at=F("sent_at") - DAY)
    sandbox.control("clock", advance_seconds=DAY.total_seconds())


def become_quiet(conference: Conference, sandbox: Sandbox) -> list[str]:
    """Resolve and process until nothing is open, queued or on its way; what still is when the time is over."""
    until = time.monotonic() + QUIET_WITHIN_SECONDS
    while True:
        # What is held has a part that Stripe must be asked about, or goes to credit alone.
        is_open = open_parts(conference).exists() or held_refunds(conference).exists()
        done: Counter[str] = resolve_open(at_once=True) if is_open else Counter()
        stored = StripeEvent.objects.filter(conference=conference, state=StripeEvent.State.STORED)
        stored.update(next_attempt_at=timezone.now())
        process_due()
        left = unrest(conference, sandbox)
        if not done and not left:
            return []
        if time.monotonic() > until:
            return left
        time.sleep(0.05)


def unrest(conference: Conference, sandbox: Sandbox) -> list[str]:
    """What is still open, queued or on its way."""
    stored = StripeEvent.objects.filter(conference=conference, state=StripeEvent.State.STORED)
    waiting = sandbox.waiting()
    return [
        *(f"{event} is stored, {event.attempts} attempts: {event.last_error}" for event in stored),
        *(f"{refund} is held until {refund.hold_until}, {refund.state}" for refund in held_refunds(conference)),
        *(
            f"part {part.pk} is {part.state}, {part.checks} checks, sent {part.sent_at}: {part.last_problem}"
            for part in open_parts(conference)
        ),
        *([f"{waiting} events are to be delivered"] if waiting else []),
    ]


def fail_late(sandbox: Sandbox, rng: Random) -> None:
    """Some refunds come back from the bank."""
    for refund in sandbox.state()["refunds"]:
        if refund["status"] == "succeeded" and rng.random() < 0.08:
            sandbox.fail(refund["id"])


def close_disputes(sandbox: Sandbox, rng: Random) -> None:
    """Some disputes are decided, one way or the other."""
    for dispute in sandbox.state()["disputes"]:
        decision = rng.choice(("won", "lost", ""))
        with suppress(HTTPError):
            if decision:
                sandbox.control(f"disputes/{dispute['id']}/close", status=decision)
