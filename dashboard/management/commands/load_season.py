"""Loads the demo season into an empty database."""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser

from dashboard.demo.catalog import PLANS
from dashboard.demo.sandbox_seed import Sandbox
from dashboard.demo.season import is_loaded, load_season


class Command(BaseCommand):
    help = "Load the demo season into an empty database and the Stripe sandbox. Only in demo mode."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--migrate", action="store_true", help="bring the database up to date first")
        parser.add_argument("--webhooks", default="", help="base address of the desk, for the sandbox's events")
        parser.add_argument("--scale", type=float, default=1.0, help="size of the season")

    def handle(self, *args: Any, migrate: bool, webhooks: str, scale: float, **options: Any) -> None:
        if not settings.DEMO_MODE or not settings.STRIPE_API_BASE:
            raise CommandError("The season is for the demo: set DEMO_MODE=1 and STRIPE_API_BASE to the sandbox.")
        if migrate:
            call_command("migrate", verbosity=0)
        sandbox = Sandbox(settings.STRIPE_API_BASE)
        if not is_loaded():
            started = time.monotonic()
            self.stdout.write("Loading a season of orders. This happens once and takes about half a minute...")
            self.stdout.flush()
            count = load_season(sandbox, scale=scale)
            self.stdout.write(f"{count:,} orders in {time.monotonic() - started:.0f} seconds.")
        if webhooks:
            for plan in PLANS:
                sandbox.listen(plan.slug, f"{webhooks.rstrip('/')}/stripe/webhooks/{plan.slug}/")
