"""``manage.py process_events``: processes stored Stripe events that are due, once; ``run_worker`` does it for ever."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from registration.services.events import process_due


class Command(BaseCommand):
    help = "Processes stored Stripe events that are due."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, default=None, help="At most so many events.")

    def handle(self, **options: Any) -> None:
        outcome = process_due(options["limit"])
        counts = ", ".join(f"{count} {state.lower()}" for state, count in sorted(outcome.items()))
        self.stdout.write(counts or "No events are due.")
