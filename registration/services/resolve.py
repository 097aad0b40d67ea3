"""Finishes what a crash, a timeout or a busy Stripe left open. Safe to run many at once.

Each part is leased while Stripe is asked about it, so that several workers share the work and none repeats another's
call; a lease that a crash left behind runs out. What stays open is asked for less and less often.
"""

from __future__ import annotations

import logging
import random
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from registration.models import Refund, RefundPart
from registration.models.refund import State
from registration.services.sending import send_part
from registration.services.settle import apply_snapshot
from registration.services.shortage import keep_shortage
from registration.services.undo import end_late_retry, release_refund, send_due
from registration.stripe_gateway import StripeProblem, gateway_for

logger = logging.getLogger(__name__)
Channel = RefundPart.Channel
OPEN = (State.REQUESTED, State.UNCONFIRMED)
LEAVE_TO_ITS_REQUEST = timedelta(seconds=60)
"""A part this young is probably being sent by the request that wrote it."""
LEASE = timedelta(minutes=3)
"""How long one worker may take; after a crash the part is anybody's again."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=15), timedelta(hours=1)
UNANSWERED_IN_A_ROW = 3
"""A conference whose Stripe account does not answer waits for the next round after so many tries."""


@dataclass
class Turn:
    """What one conference has to ask, and how often in a row nothing came of it."""

    keys: Iterator[int]
    unanswered: int = 0


def resolve_open(limit: int | None = None, *, at_once: bool = False, skip_pauses: bool = False) -> Counter[str]:
    """Send or look up every part whose outcome is not known and whose time has come, the conferences in turn.

    What could be undone until now is sent first.

    Args:
        limit: At most this many parts.
        at_once: Everything that is open, however young it is, when it was last asked for and whether Stripe answers.
        skip_pauses: Also what was put off; for the first round after a start.

    Returns:
        How many parts ended up in which state.
    """
    send_due(limit, at_once=at_once)
    outcome: Counter[str] = Counter()
    due = _due(at_once=at_once, skip_pauses=skip_pauses or at_once)
    turns = deque(_turns(due, limit))
    while turns and (limit is None or outcome.total() < limit):
        turn = turns.popleft()
        key = next(turn.keys, None)
        if key is None:
            continue
        if _claim(due.filter(pk=key)):
            state = _ask(key)
            outcome[state] += 1
            turn.unanswered = turn.unanswered + 1 if state in OPEN else 0
        if at_once or turn.unanswered < UNANSWERED_IN_A_ROW:
            turns.append(turn)
    return outcome


def resolve_refund(refund: Refund) -> Refund:
    """Ask Stripe now what became of one refund ("Check now"), unless somebody is asking already.

    One that could be undone until a while ago, and that nobody sent since, is sent.
    """
    if refund.is_overdue:
        return release_refund(refund)
    for part in refund.parts.filter(channel=Channel.STRIPE).order_by("pk"):
        if part.state in OPEN and not refund.is_held:
            if _claim(_due(at_once=True, skip_pauses=True).filter(pk=part.pk)):
                _ask(part.pk)
        elif part.stripe_refund_id:
            refresh_part(part)
    refund.refresh_from_db()
    return refund


def refresh_part(part: RefundPart) -> bool:
    """Fetch one part's refund from Stripe and record it; a Stripe that does not answer changes nothing."""
    conference = part.refund.order.conference
    try:
        changed = apply_snapshot(part, gateway_for(conference).fetch_refund(part.stripe_refund_id or ""))
    except StripeProblem:
        return False
    keep_shortage(conference)
    return changed


def pause_after(checks: int) -> timedelta:
    """Twice as long each time up to an hour, with some chance, so that many parts do not return at once."""
    pause: timedelta = FIRST_PAUSE * 2 ** min(max(checks - 1, 0), 16)
    return min(pause, LONGEST_PAUSE) * random.uniform(0.8, 1.2)  # noqa: S311


def _due(*, at_once: bool, skip_pauses: bool) -> QuerySet[RefundPart]:
    """Open parts that nobody is asking about, by their own columns alone, so that one update can lease each."""
    now = timezone.now()
    free = Q(leased_until__isnull=True) | Q(leased_until__lte=now)
    parts = RefundPart.objects.filter(free, channel=Channel.STRIPE, state__in=OPEN)
    if not at_once:
        parts = parts.exclude(state=State.REQUESTED, created_at__gt=now - LEAVE_TO_ITS_REQUEST)
    if not skip_pauses:
        parts = parts.filter(Q(next_check_at__isnull=True) | Q(next_check_at__lte=now))
    return parts


def _turns(due: QuerySet[RefundPart], limit: int | None) -> Iterator[Turn]:
    """One turn for each conference, with its parts in the order in which their time came."""
    column = "refund__order__conference"
    due = due.filter(refund__hold_until__isnull=True)
    for conference in sorted(set(due.order_by().values_list(column, flat=True))):
        mine = due.filter(**{column: conference}).order_by(F("next_check_at").asc(nulls_first=True), "pk")
        yield Turn(iter(list(mine.values_list("pk", flat=True)[:limit])))


def _claim(one: QuerySet[RefundPart]) -> bool:
    """Lease a part by one conditional update: of several workers one gets it, on every database."""
    return bool(one.update(leased_until=timezone.now() + LEASE, checks=F("checks") + 1))


def _ask(key: int) -> str:
    """Send or look up one leased part; what goes wrong with it is logged and does not hold up the others."""
    try:
        part = RefundPart.objects.select_related("refund").get(pk=key)
        if part.sent_at is None and part.refund.retry_of_id is not None:
            end_late_retry(part)
        send_part(part)
    except Exception:
        logger.exception("refund_part_not_resolved part=%s", key)
    part = RefundPart.objects.get(pk=key)
    again = timezone.now() + pause_after(part.checks) if part.state in OPEN else None
    RefundPart.objects.filter(pk=key).update(leased_until=None, next_check_at=again)
    return part.state
