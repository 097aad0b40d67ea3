"""``manage.py process_events``: processes stored Stripe events that are due, once or for ever."""

from __future__ import annotations

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from registration.services.events import process_due


class Command(BaseCommand):
    help = "Processes stored Stripe events that are due. Run it every minute, or with --loop as a service."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, default=None, help="At most so many events at a time.")
        parser.add_argument("--loop", type=float, metavar="SECONDS", help="Stay, and look again after each pause.")

    def handle(self, **options: Any) -> None:
        while True:
            outcome = process_due(options["limit"])
            if outcome or not options["loop"]:
                counts = ", ".join(f"{count} {state.lower()}" for state, count in sorted(outcome.items()))
                self.stdout.write(counts or "No events are due.")
            if not options["loop"]:
                return
            time.sleep(options["loop"])
