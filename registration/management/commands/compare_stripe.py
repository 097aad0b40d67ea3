"""``manage.py compare_stripe``: exit 0 when the books agree, 1 with a line for each difference, 2 unasked."""

from __future__ import annotations

import json
from datetime import UTC, datetime, time, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

from registration.comparison_words import in_one_line
from registration.models import ComparisonRun, Conference, Difference
from registration.services.comparison.asking import Asker
from registration.services.comparison.repair import repair
from registration.services.comparison.run import begin, carry_on, claim
from registration.services.errors import RefundError
from registration.stripe_gateway import StripeProblem

DIFFERENT, UNASKED = 1, 2


class Command(BaseCommand):
    help = "Compares every refund, payment and dispute of a period with Stripe and names what is not the same."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--conference", metavar="SLUG", help="Only this one; otherwise all that have a key.")
        parser.add_argument("--since", type=moment, help="A day or a moment; the very beginning when left out.")
        parser.add_argument("--until", type=moment, help="A day or a moment; a minute ago when left out.")
        parser.add_argument("--days", type=int, help="The same as --since so many days ago.")
        parser.add_argument("--json", action="store_true", help="One JSON object for each difference, then the sums.")
        parser.add_argument("--repair", action="store_true", help="Apply what Stripe says, as its events would.")
        parser.add_argument("--afresh", action="store_true", help="Give up an unfinished comparison first.")

    def handle(self, **options: Any) -> None:
        self.options = options
        conferences = Conference.objects.exclude(stripe_secret_key="").order_by("slug")
        if slug := options["conference"]:
            conferences = conferences.filter(slug=slug)
            if not conferences:
                raise CommandError(f"No conference {slug} with a Stripe key.", returncode=UNASKED)
        worst = max([self._status_of(conference) for conference in conferences], default=0)
        if worst == UNASKED:
            raise CommandError("Not everything could be compared; run it again to go on.", returncode=UNASKED)
        if worst == DIFFERENT:
            raise CommandError("The books differ from Stripe.", returncode=DIFFERENT)

    def _status_of(self, conference: Conference) -> int:
        """Compare one conference, and repair if asked to; answer with the exit status that follows from it."""
        try:
            run = self._run(conference)
            asker = Asker(conference)
            if not claim(run, at_once=True):
                self.stderr.write(f"{conference.slug}: another process is at it. Try again in a few minutes.")
                return UNASKED
            if run.cursor or run.step != ComparisonRun.Step.REFUNDS:
                self.stderr.write(
                    f"{conference.slug}: going on with what was begun at {run.started_at:%Y-%m-%d %H:%M}."
                )
            carry_on(run, asker)
            return self._report(run, asker)
        except StripeProblem as problem:
            self.stderr.write(f"{conference.slug}: {problem.advice}")
        except RefundError as error:
            self.stderr.write(f"{conference.slug}: {error.sentence}")
        return UNASKED

    def _run(self, conference: Conference) -> ComparisonRun:
        since, until, days = self.options["since"], self.options["until"], self.options["days"]
        if days is not None:
            since = timezone.now() - timedelta(days=days)
        # Another period than the unfinished one's is another question.
        afresh = self.options["afresh"] or since is not None or until is not None
        return begin(conference, since=since, until=until, afresh=afresh)

    def _report(self, run: ComparisonRun, asker: Asker) -> int:
        """Write a line for each difference and the sums; what can be repaired is, if asked for."""
        slug, differing = run.conference.slug, 0
        for found in run.differences.select_related("run__conference", "order").iterator():
            mend = self.options["repair"] and found.state == Difference.State.OPEN
            difference = repair(found, asker=asker) if mend else found
            differing += difference.state in Difference.DIFFERING
            self._write(_as_json(difference) if self.options["json"] else f"{slug}: {in_one_line(difference)}")
        sums = {"refunds": run.refunds, "payments": run.payments, "disputes": run.disputes, "differences": differing}
        if self.options["json"]:
            self._write({"conference": slug, "until": run.until.isoformat(), **sums})
        elif not differing:
            self._write(
                f"{slug}: agrees with Stripe to the cent: {run.refunds} refunds, {run.payments} payments"
                f" and {run.disputes} disputes up to {run.until:%Y-%m-%d %H:%M %Z}."
            )
        return DIFFERENT if differing else 0

    def _write(self, what: str | dict[str, Any]) -> None:
        self.stdout.write(what if isinstance(what, str) else json.dumps(what))


def moment(text: str) -> datetime:
    """Read a day or a moment; what names no zone is UTC."""
    day = parse_date(text)
    found = datetime.combine(day, time.min) if day else parse_datetime(text)
    if found is None:
        raise ValueError(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _as_json(difference: Difference) -> dict[str, Any]:
    return {
        "conference": difference.run.conference.slug,
        "kind": difference.kind,
        "state": difference.state,
        "subject": difference.subject,
        "order": difference.order.reference if difference.order else None,
        "ours": difference.ours,
        "theirs": difference.theirs,
    }
