"""Compares the books with Stripe: every refund, payment and dispute of a period, on both sides.

A run is a row with a cursor. Each bite reads one page (of Stripe's list or of our table), looks the other side up in a
question or two, and saves what it suspects together with the cursor, so that a crash costs one page and memory never
grows with the account. What the run met at Stripe is marked, which shows at the end what it did not meet. A suspicion
counts only when a second look at both sides, some seconds later, still finds it: what was under way is no difference.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from registration.models import ComparisonMark, ComparisonRun, Conference, Difference, OpenItem, Payment, RefundPart
from registration.models.refund import ACCEPTED, WITH_STRIPE
from registration.services.comparison import items as compare_items
from registration.services.comparison.asking import Asker
from registration.services.comparison.looking import look
from registration.services.comparison.rules import Compared, compare_charges, compare_disputes, compare_refunds
from registration.services.errors import RefundError
from registration.stripe_gateway import Period, StripeGateway, StripeProblem
from registration.stripe_snapshots import Page

Step = ComparisonRun.Step
RunState = ComparisonRun.State
STEPS = tuple(Step)

UNDER_WAY = timedelta(minutes=1)
"""What is younger is left to the next comparison: its request or its event is on its way."""
SECOND_LOOK_AFTER = timedelta(seconds=10)
LEASE = timedelta(minutes=3)
"""How long one bite may take; after a crash the run is anybody's again."""
CHUNK = 200
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(hours=1)

S = TypeVar("S")
logger = logging.getLogger(__name__)


def begin(
    conference: Conference,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    staff_user: Any = None,
    afresh: bool = False,
) -> ComparisonRun:
    """Begin a comparison, or take up the one that a crash or a silent Stripe left unfinished.

    Args:
        conference: Whose account and rows.
        since: From when on; the very beginning when left out.
        until: Up to when; a minute ago when left out.
        staff_user: Who asked for it.
        afresh: Give up an unfinished one instead of finishing it.

    Raises:
        RefundError: One is being made right now, and another was asked for.
    """
    with transaction.atomic():
        Conference.objects.select_for_update(no_key=True).get(pk=conference.pk)  # One begins at a time.
        runs = ComparisonRun.objects.filter(conference=conference)
        unfinished = runs.filter(state=RunState.RUNNING).first()
        if unfinished is not None and not afresh:
            return unfinished
        if unfinished is not None:
            if unfinished.next_attempt_at > timezone.now() and not unfinished.problem:
                raise RefundError(_("A comparison is being made right now. Look again in a few minutes."))
            _end(unfinished, RunState.GIVEN_UP)
        return ComparisonRun.objects.create(
            conference=conference, since=since, until=until or timezone.now() - UNDER_WAY, requested_by=staff_user
        )


def claim(run: ComparisonRun, *, at_once: bool = False) -> bool:
    """Take a run for a few minutes; of several processes one gets it.

    Args:
        run: Whatever it looked like when it was read.
        at_once: Do not wait out the pause after a silent Stripe: somebody asks for it now.
    """
    now = timezone.now()
    mine = ComparisonRun.objects.filter(pk=run.pk, state=RunState.RUNNING)
    mine = (
        mine.filter(Q(next_attempt_at__lte=now) | ~Q(problem="")) if at_once else mine.filter(next_attempt_at__lte=now)
    )
    claimed = mine.update(next_attempt_at=now + LEASE, problem="")
    if claimed:
        run.refresh_from_db()
    return bool(claimed)


def carry_on(
    run: ComparisonRun, asker: Asker, *, seconds: float | None = None, second_look: timedelta | None = None
) -> bool:
    """Go on with a claimed run to its end, or for some seconds.

    Args:
        run: Claimed by the caller; given back at the end, whatever happens.
        asker: Who asks Stripe.
        seconds: After how long to stop; the rest is for whoever claims it next.
        second_look: How long a suspicion rests before it is looked at again.

    Returns:
        Whether it is finished.

    Raises:
        StripeProblem: Stripe could not be asked. The run keeps how far it got, and why it stopped.
    """
    stop_at = time.monotonic() + seconds if seconds is not None else None
    rest = SECOND_LOOK_AFTER if second_look is None else second_look
    again_at = timezone.now()
    try:
        while run.state == RunState.RUNNING and (stop_at is None or time.monotonic() < stop_at):
            again_at = _ready_at(run, rest)
            if again_at <= timezone.now():
                _bite(run, asker)
            elif stop_at is not None:
                break
            else:
                time.sleep((again_at - timezone.now()).total_seconds())
    except StripeProblem as problem:
        again_at = _stand_still(run, problem)
        raise
    finally:
        ComparisonRun.objects.filter(pk=run.pk).update(next_attempt_at=again_at)
        run.next_attempt_at = again_at
    return run.state == RunState.FINISHED


def _stand_still(run: ComparisonRun, problem: StripeProblem) -> datetime:
    """Keep why, and when to try again: twice as long each time."""
    run.problem, run.attempts = problem.advice, min(run.attempts + 1, 20)
    run.save(update_fields=["problem", "attempts"])
    pause: timedelta = min(FIRST_PAUSE * 2 ** (run.attempts - 1), LONGEST_PAUSE)
    return timezone.now() + pause


def _ready_at(run: ComparisonRun, rest: timedelta) -> datetime:
    """When the next bite may be taken: at once, but second looks wait until the newest suspicion has rested."""
    if run.step != Step.CONFIRM:
        return run.started_at
    newest = run.differences.filter(state=Difference.State.SUSPECTED).order_by("-seen_at").first()
    return newest.seen_at + rest if newest else run.started_at


def _bite(run: ComparisonRun, asker: Asker) -> None:
    """One page of the current step; at its end the next step begins."""
    after = BITES[run.step](run, asker)
    with transaction.atomic():
        if after:
            _keep(run, cursor=after)
        elif run.step == STEPS[-1]:
            _end(run, RunState.FINISHED)
        else:
            _keep(run, step=STEPS[STEPS.index(Step(run.step)) + 1], cursor="")


def _keep(run: ComparisonRun, **progress: Any) -> None:
    """Save how far it got, and hold on to it a little longer."""
    for name, value in (progress | {"attempts": 0, "next_attempt_at": timezone.now() + LEASE}).items():
        setattr(run, name, value)
    run.save(update_fields=[*progress, "attempts", "next_attempt_at"])


def _end(run: ComparisonRun, state: str) -> None:
    run.state, run.finished_at, run.problem, run.cursor = state, timezone.now(), "", ""
    run.save(update_fields=["state", "finished_at", "problem", "cursor"])
    run.marks.all().delete()


def _theirs(
    count: str,
    noun: str,
    read: Callable[[StripeGateway, Period, str], Page[S]],
    compare: Callable[[Conference, list[S]], Iterator[Compared]],
) -> Callable[[ComparisonRun, Asker], str]:
    """A bite that reads one page at Stripe; ``count`` is a column of the run, ``noun`` the rows of ours it marks."""

    def bite(run: ComparisonRun, asker: Asker) -> str:
        period = (run.since, run.until)
        page = asker.ask(lambda gateway: read(gateway, period, run.cursor))
        compared = list(compare(run.conference, page.rows))
        verdicts = [each.verdict for each in compared if each.verdict is not None]
        with transaction.atomic():
            _suspect(run, (verdict.subject for verdict in verdicts))
            met = {each.row for each in compared if each.row is not None and noun}
            marks = (ComparisonMark(run=run, noun=noun, row=row) for row in met)
            ComparisonMark.objects.bulk_create(marks, ignore_conflicts=True)
            _keep(run, **{count: getattr(run, count) + len(page.rows), "cursor": page.after})
        return page.after

    return bite


def _suspect(run: ComparisonRun, subjects: Iterable[str]) -> None:
    """Note what deserves a second look."""
    rows = [Difference(run=run, subject=subject) for subject in subjects]
    Difference.objects.bulk_create(rows, ignore_conflicts=True)


def _our_refunds(run: ComparisonRun, _asker: Asker) -> str:
    """Our refunds of the period, and unsettled older ones, that were not met at Stripe."""
    made = Coalesce("sent_at", "created_at")
    parts = RefundPart.objects.filter(
        refund__order__conference=run.conference, channel=RefundPart.Channel.STRIPE, state__in=ACCEPTED
    ).annotate(made=made)
    older = Q(state__in=WITH_STRIPE) & Q(made__lt=run.since) if run.since else Q()
    wanted = Q(made__lt=run.until) & Q(made__gte=run.since) if run.since else Q(made__lt=run.until)
    return _ours(run, "part", parts.filter(wanted | older if older else wanted))


def _our_payments(run: ComparisonRun, _asker: Asker) -> str:
    """Our card payments of the period that were not met at Stripe."""
    payments = Payment.objects.captured().filter(
        order__conference=run.conference, method=Payment.Method.STRIPE, amount__gt=0, created_at__lt=run.until
    )
    return _ours(run, "payment", payments.filter(created_at__gte=run.since) if run.since else payments)


def _ours(run: ComparisonRun, noun: str, rows: QuerySet[Any]) -> str:
    """Suspect those rows of the next chunk that carry no mark; answer with the key to go on from."""
    keys = list(rows.filter(pk__gt=int(run.cursor or 0)).order_by("pk").values_list("pk", flat=True)[:CHUNK])
    met = set(run.marks.filter(noun=noun, row__in=keys).values_list("row", flat=True))
    _suspect(run, (f"{noun}:{key}" for key in keys if key not in met))
    return str(keys[-1]) if len(keys) == CHUNK else ""


def _confirm(run: ComparisonRun, asker: Asker) -> str:
    """Look a second time at the next suspicion, and keep or forget it."""
    suspected = run.differences.filter(state=Difference.State.SUSPECTED).order_by("pk").first()
    if suspected is None:
        return ""
    verdict = look(asker, run.conference, suspected.subject)
    with transaction.atomic():
        if verdict is None:
            suspected.delete()
            return str(suspected.subject)
        suspected.kind, suspected.order_id = verdict.kind, verdict.order_id
        suspected.ours, suspected.theirs = verdict.ours, verdict.theirs
        suspected.state = compare_items.standing(run.conference, verdict)
        suspected.save(update_fields=["kind", "order", "ours", "theirs", "state"])
        if suspected.state == Difference.State.OPEN:
            compare_items.show(run.conference, verdict)
    return str(suspected.subject)


def _items(run: ComparisonRun, asker: Asker) -> str:
    """Close the next item of an earlier run whose difference is no more."""
    items = OpenItem.objects.unresolved().filter(conference=run.conference, kind=OpenItem.Kind.DRIFT)
    item = items.filter(pk__gt=int(run.cursor or 0)).order_by("pk").first()
    if item is None:
        return ""
    known = run.differences.filter(subject=item.subject, state__in=Difference.DIFFERING).exists()
    if not known and look(asker, run.conference, item.subject) is None:
        compare_items.hide(run.conference, item.subject)
    return str(item.pk)


BITES: dict[str, Callable[[ComparisonRun, Asker], str]] = {
    Step.REFUNDS: _theirs("refunds", "part", StripeGateway.refunds_page, compare_refunds),
    Step.CHARGES: _theirs("payments", "payment", StripeGateway.charges_page, compare_charges),
    Step.DISPUTES: _theirs("disputes", "", StripeGateway.disputes_page, compare_disputes),
    Step.OUR_REFUNDS: _our_refunds,
    Step.OUR_PAYMENTS: _our_payments,
    Step.CONFIRM: _confirm,
    Step.ITEMS: _items,
}
