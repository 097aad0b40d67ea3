"""What a worker does about comparisons: goes on with those that are unfinished, and begins one each night."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone

from registration.models import ComparisonRun, Conference
from registration.services.comparison.asking import Asker
from registration.services.comparison.run import begin, carry_on, claim
from registration.stripe_gateway import StripeProblem

BEGINS_AT_HOUR = 2
"""Of the conference's own day, when its staff sleep."""
LOOKS_BACK = timedelta(days=35)
"""A refund can still fail about 30 days after it was made."""
SECONDS_EACH = 5.0
"""After so long the worker's other duties have their turn."""
KEPT_FOR = timedelta(days=90)

logger = logging.getLogger(__name__)


def continue_due(limit: int | None = None) -> int:
    """Go on for a while with every comparison that is due; answers how many were finished.

    Args:
        limit: At most so many.
    """
    running = ComparisonRun.objects.filter(state=ComparisonRun.State.RUNNING, next_attempt_at__lte=timezone.now())
    due = running.order_by("next_attempt_at").select_related("conference")
    return sum(_continue(run) for run in list(due[:limit]))


def _continue(run: ComparisonRun) -> bool:
    if not claim(run):
        return False
    try:
        # No patience here: the run itself remembers when to ask again, and other duties wait.
        return carry_on(run, Asker(run.conference, pauses=()), seconds=SECONDS_EACH)
    except StripeProblem as problem:
        logger.warning("comparison_stands_still run=%s code=%s", run.pk, problem.code)
        return False


def begin_nightly(limit: int | None = None) -> int:
    """Begin tonight's comparison where there is none yet, and forget old ones; answers how many were begun.

    Args:
        limit: At most so many.
    """
    conferences = Conference.objects.exclude(stripe_secret_key="").order_by("pk")
    due = [conference for conference in conferences if not _compared_tonight(conference)]
    for conference in due[:limit]:
        begin(conference, since=timezone.now() - LOOKS_BACK)
        _forget_old(conference)
    return len(due[:limit])


def _compared_tonight(conference: Conference) -> bool:
    """Whether one is unfinished or was begun since the last night hour there."""
    runs = ComparisonRun.objects.filter(conference=conference)
    running = runs.filter(state=ComparisonRun.State.RUNNING).exists()
    return running or runs.filter(started_at__gte=last_night(conference)).exists()


def last_night(conference: Conference) -> datetime:
    """The latest moment at which the conference's nightly comparison was due."""
    now = timezone.now().astimezone(ZoneInfo(conference.timezone))
    tonight = now.replace(hour=BEGINS_AT_HOUR, minute=0, second=0, microsecond=0)
    return tonight if tonight <= now else tonight - timedelta(days=1)


def _forget_old(conference: Conference) -> None:
    """Results are kept for a season; what still differs has its item, and the newest result stays whatever its age."""
    runs = ComparisonRun.objects.filter(conference=conference).exclude(state=ComparisonRun.State.RUNNING)
    newest = runs.filter(state=ComparisonRun.State.FINISHED).order_by("-pk").values_list("pk", flat=True).first() or 0
    runs.filter(started_at__lt=timezone.now() - KEPT_FOR).exclude(pk=newest).delete()
