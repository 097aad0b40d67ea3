"""``manage.py reconcile_stripe``: finds the refunds that no event told us of. Run it every night."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from registration.models import Conference
from registration.services.reconcile import reconcile
from registration.stripe_gateway import StripeProblem


class Command(BaseCommand):
    help = "Compares the books with the refunds at Stripe and brings in what is missing."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--days", type=int, default=35, help="How far back; refunds can fail after a month.")
        parser.add_argument("--conference", metavar="SLUG", help="Only this one.")

    def handle(self, **options: Any) -> None:
        since, failed = timezone.now() - timedelta(days=options["days"]), False
        conferences = Conference.objects.exclude(stripe_secret_key="").order_by("slug")
        if options["conference"]:
            conferences = conferences.filter(slug=options["conference"])
        for conference in conferences:
            try:
                outcome = reconcile(conference, since)
            except StripeProblem as problem:
                outcome, failed = None, True
                self.stderr.write(f"{conference.slug}: {problem.advice}")
            if outcome is not None:
                failed = failed or bool(outcome["failed"])
                counts = ", ".join(f"{count} {word}" for word, count in sorted(outcome.items()) if count)
                self.stdout.write(f"{conference.slug}: {counts or 'no refunds'}")
        if failed:
            raise CommandError("Not everything could be compared; see the log.")
