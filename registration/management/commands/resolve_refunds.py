"""Finish refunds that a crash or timeout left open."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from registration.services.resolve import resolve_open


class Command(BaseCommand):
    help = "Finish what a crash, a timeout or a busy Stripe left open. Safe to run many at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--limit", type=int, default=None, help="at most this many parts")
        parser.add_argument("--now", action="store_true", help="take refunds of the last minute too")

    def handle(self, *args: Any, limit: int | None, now: bool, **options: Any) -> None:
        outcome = resolve_open(limit, at_once=now)
        for state, count in sorted(outcome.items()):
            self.stdout.write(f"{state}: {count}")
        if not outcome:
            self.stdout.write("Nothing was due.")
