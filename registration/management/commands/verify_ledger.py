"""``manage.py verify_ledger``: exit 0 when the books add up, else a line for each finding and exit 1."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from registration.services.verification.run import CHUNK, Ledger


class Command(BaseCommand):
    help = "Works every balance out again from its rows and says what differs. Reads only."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="One JSON object for each line; the last is the sum.")
        parser.add_argument("--chunk", type=int, default=CHUNK, help="Orders or credits read at a time.")
        at_once = 2 if connection.vendor == "postgresql" else 1
        parser.add_argument("--connections", type=int, default=at_once, help="Connections that read at once.")

    def handle(self, **options: Any) -> None:
        ledger, found = Ledger(chunk=options["chunk"], connections=options["connections"]), 0
        for finding in ledger.findings():
            found += 1
            self.stdout.write(json.dumps(finding._asdict()) if options["json"] else str(finding))
        summary = {"orders": ledger.orders, "credits": ledger.credits, "findings": found}
        if options["json"]:
            self.stdout.write(json.dumps(summary))
        if found:
            raise CommandError(f"{found} of the ledger's rows disagree.", returncode=1)
        if not options["json"]:
            self.stdout.write(f"{ledger.orders} orders and {ledger.credits} credits agree with their rows.")
