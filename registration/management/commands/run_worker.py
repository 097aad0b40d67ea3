"""Does what nobody waits for: Stripe's events, refunds left open, credits whose time has come."""

from __future__ import annotations

import argparse
import logging
import signal
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import close_old_connections

from registration.services.comparison.nightly import begin_nightly, continue_due
from registration.services.credit import CreditService
from registration.services.credit_payment import release_due
from registration.services.events import process_due
from registration.services.resolve import resolve_open
from registration.services.undo import send_due
from registration.services.upkeep import take_statistics
from registration.services.watch import watch_waiting

AT_ONCE = 200
"""Most of one kind before the others have their turn."""

logger = logging.getLogger(__name__)


class Command(BaseCommand):
    help = "Process events, resolve open refunds and expire credits, over and over. Safe to run many at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--interval", type=float, default=5.0, help="seconds between two rounds")
        parser.add_argument("--sweep", type=float, default=60.0, help="seconds between two looks at what is left open")
        parser.add_argument(
            "--nightly", action=argparse.BooleanOptionalAction, default=True, help="compare with Stripe every night"
        )
        parser.add_argument("--once", action="store_true", help="one round, then stop")

    def handle(self, *args: Any, interval: float, sweep: float, nightly: bool, once: bool, **options: Any) -> None:
        stopping = threading.Event()
        if once:
            work(stopping, sweeping=True, starting=True, nightly=nightly)
            return
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda _number, _frame: stopping.set())
        next_sweep, starting = time.monotonic(), True
        while not stopping.is_set():
            sweeping = time.monotonic() >= next_sweep
            if sweeping:
                next_sweep = time.monotonic() + sweep
            close_old_connections()
            work(stopping, sweeping=sweeping, starting=starting, nightly=nightly)
            starting = False
            stopping.wait(interval)


def work(stopping: threading.Event, *, sweeping: bool, starting: bool = False, nightly: bool = True) -> None:
    """One round. A step that fails is written to the log and tried again in a later round.

    Args:
        stopping: Set when no further step should begin.
        sweeping: Whether to look at open refunds and credits as well as at events.
        starting: The first round after a start; what was put off is tried again, for the cause may be gone.
        nightly: Whether to compare with Stripe as well.
    """
    steps: list[Callable[[int], object]] = [process_due, send_due]
    if sweeping:
        resolve = partial(resolve_open, skip_pauses=starting)
        steps += [resolve, watch_waiting, CreditService.expire_due, release_due, take_statistics]
    if nightly:
        steps += [begin_nightly, continue_due] if sweeping else [continue_due]
    for step in steps:
        if stopping.is_set():
            return
        try:
            step(AT_ONCE)
        except Exception:
            logger.exception("worker_step_failed")
