"""Take a new webhook secret for one conference."""

from __future__ import annotations

import getpass
import sys
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registration.models import Conference
from registration.services.errors import RefundError
from registration.services.webhook_secrets import end_old_secret, rotate_webhook_secret


class Command(BaseCommand):
    help = "Take a new webhook secret from the terminal or standard input; the old one still counts for a while."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="the conference")
        parser.add_argument("--overlap", type=float, default=24.0, help="hours for which the old secret still counts")
        parser.add_argument("--end-old", action="store_true", help="let only the newest secret count from now on")

    def handle(self, *args: Any, slug: str, overlap: float, end_old: bool, **options: Any) -> None:
        conference = Conference.objects.filter(slug=slug).first()
        if conference is None:
            raise CommandError(f"There is no conference {slug}.")
        if end_old:
            end_old_secret(conference)
            self.stdout.write(f"Only the newest secret of {slug} counts now.")
            return
        # Never an argument: those are kept by shells and shown by ps.
        secret = getpass.getpass("New webhook secret: ") if sys.stdin.isatty() else sys.stdin.readline()
        try:
            fresh = rotate_webhook_secret(conference, secret=secret, overlap=timedelta(hours=overlap))
        except RefundError as error:
            raise CommandError(error.sentence) from error
        until = fresh.old_webhook_secret_until
        told = f"the one before until {until:%Y-%m-%d %H:%M %Z}" if until else "the one before no longer"
        self.stdout.write(f"The new secret of {slug} counts, {told}.")
