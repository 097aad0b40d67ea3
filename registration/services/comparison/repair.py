"""Brings one difference to an end: through the code that Stripe's events use, or as an item that says why not."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from itertools import takewhile
from typing import Any

from django.db import IntegrityError
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext as _

from registration.models import ComparisonRun, Conference, Difference
from registration.services.comparison import items as compare_items
from registration.services.comparison.asking import Asker
from registration.services.comparison.looking import look
from registration.services.comparison.rules import Verdict
from registration.services.disputes import apply_dispute
from registration.services.errors import RefundError
from registration.services.external import apply_refund
from registration.services.late_payments import apply_intent
from registration.stripe_gateway import StripeProblem
from registration.stripe_snapshots import ChargeSnapshot, DisputeSnapshot, RefundSnapshot

State = Difference.State
BRIEFLY = (0.5,)
"""A person waits: one more try, then they are told."""

logger = logging.getLogger(__name__)


def repair(difference: Difference, *, asker: Asker | None = None, staff_user: Any = None) -> Difference:
    """Look again, apply what Stripe says, and look whether that settled it.

    What code cannot mend is never edited away: it stays, with an open item that says what a person can do.

    Args:
        difference: An open one; its run's conference is asked about.
        asker: Who asks Stripe; one of its own when left out.
        staff_user: Who pressed the button; ``None`` for a command.

    Raises:
        StripeProblem: Stripe could not be asked; nothing was changed.
    """
    conference = difference.run.conference
    asker = asker or Asker(conference)
    verdict = look(asker, conference, difference.subject)
    if verdict is None:
        return _settle(difference, State.GONE, staff_user)
    _apply(asker, conference, verdict)
    left = look(asker, conference, difference.subject)
    if left is None:
        return _settle(difference, State.REPAIRED, staff_user)
    state = compare_items.standing(conference, left)
    if state == State.OPEN:
        compare_items.show(conference, left, beyond_repair=True)
        return _settle(difference, State.NAMED, staff_user)
    compare_items.hide(conference, difference.subject)  # Another item speaks of it now.
    return _settle(difference, state, staff_user)


def repair_all(differences: Iterable[Difference], *, asker: Asker, staff_user: Any = None) -> Counter[str]:
    """Repair one after the other; returns how many ended in which state.

    Raises:
        StripeProblem: Stripe could not be asked; what came before is done.
    """
    return Counter(repair(each, asker=asker, staff_user=staff_user).state for each in differences)


def repair_now(difference: Difference, *, staff_user: Any) -> Difference:
    """Repair one difference while a person waits; what is open no more is left as it is.

    Raises:
        RefundError: Stripe could not be asked; nothing was changed.
    """
    if difference.state != State.OPEN:
        return difference
    with _said_to_staff(_("Nothing was changed. Try again.")):
        return repair(difference, asker=Asker(difference.run.conference, BRIEFLY), staff_user=staff_user)


def repair_for(run: ComparisonRun, seconds: float, *, staff_user: Any) -> Counter[str]:
    """Repair what is open of a run while a person waits, and no longer than that.

    Returns:
        How many ended in which state; what is left is for the next time.

    Raises:
        RefundError: Stripe could not be asked; what came before is done.
    """
    stop_at = time.monotonic() + seconds
    found = run.differences.filter(state=State.OPEN).select_related("run__conference")
    in_time = takewhile(lambda _difference: time.monotonic() < stop_at, found.iterator())
    with _said_to_staff(_("What was repaired before is done. Try again.")):
        return repair_all(in_time, asker=Asker(run.conference, BRIEFLY), staff_user=staff_user)


@contextmanager
def _said_to_staff(what_now: str) -> Iterator[None]:
    try:
        yield
    except StripeProblem as problem:
        raise RefundError(f"{problem.advice} {what_now}") from problem


def look_again(conference: Conference, stripe_ids: Collection[str], *, staff_user: Any) -> None:
    """Settle those differences of the newest comparison that something else repaired, found by their ids at Stripe.

    What still differs stays, and so does everything while Stripe cannot be asked: the next comparison tells.

    Args:
        conference: Whose comparison.
        stripe_ids: Of refunds, disputes, payments and charges.
        staff_user: Who repaired it.
    """
    run = ComparisonRun.objects.filter(conference=conference, state=ComparisonRun.State.FINISHED).first()
    if run is None:
        return
    about = Q(theirs__id__in=stripe_ids) | Q(theirs__payment__in=stripe_ids) | Q(ours__id__in=stripe_ids)
    found = run.differences.filter(about, state__in=Difference.DIFFERING).select_related("run__conference")
    asker = Asker(conference, BRIEFLY)
    try:
        for difference in found:
            if look(asker, conference, difference.subject) is None:
                _settle(difference, State.REPAIRED, staff_user)
    except StripeProblem as problem:
        logger.warning("differences_not_looked_at_again run=%s code=%s", run.pk, problem.code)


def _settle(difference: Difference, state: str, staff_user: Any) -> Difference:
    difference.state, difference.settled_at, difference.settled_by = state, timezone.now(), staff_user
    difference.save(update_fields=["state", "settled_at", "settled_by"])
    if state in (State.GONE, State.REPAIRED):
        compare_items.hide(difference.run.conference, difference.subject)
    return difference


def _apply(asker: Asker, conference: Conference, verdict: Verdict) -> None:
    """Apply what Stripe says as if its event had just come."""
    theirs = verdict.snapshot
    try:
        if isinstance(theirs, RefundSnapshot):
            apply_refund(conference, theirs)
        elif isinstance(theirs, DisputeSnapshot):
            apply_dispute(conference, theirs, opened=theirs.opened)
        elif isinstance(theirs, ChargeSnapshot) and (intent_id := theirs.payment_intent_id):
            apply_intent(conference, asker.ask(lambda gateway: gateway.fetch_payment_intent(intent_id)))
    except (IntegrityError, ValueError) as error:
        # The books have no room for it, or it is of the other mode; the second look names what is left.
        logger.warning("difference_not_applied subject=%s error=%s", verdict.subject, type(error).__name__)
