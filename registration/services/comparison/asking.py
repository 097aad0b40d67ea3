"""Asks Stripe many questions: below its rate limit, and patient when it is busy or silent.

Questions only, never orders, so that asking again is always safe.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from registration.models import Conference
from registration.stripe_gateway import StripeBusy, StripeGateway, StripeRefused, StripeUnavailable, gateway_for

PER_SECOND = 20
"""Stripe allows 25 in test mode and more in live mode; the desk's own calls need room beside these."""
PATIENT = (0.5, 1.0, 2.0, 4.0)
"""Seconds between the tries of one question, where somebody waits for the end."""

T = TypeVar("T")


class Asker:
    """Asks one conference's account."""

    def __init__(self, conference: Conference, pauses: Sequence[float] | None = None) -> None:
        """Take the door, and how long to wait between tries; patient unless told otherwise."""
        self.gateway = gateway_for(conference)
        self.pauses = PATIENT if pauses is None else pauses
        self._not_before = 0.0

    def ask(self, question: Callable[[StripeGateway], T]) -> T:
        """Ask, and again after a pause that doubles and jitters while Stripe is busy or does not answer.

        Raises:
            StripeProblem: It said no, or nothing of use until the patience ran out.
        """
        for pause_seconds in self.pauses:
            try:
                return self._ask_once(question)
            except (StripeBusy, StripeUnavailable):
                time.sleep(pause_seconds * random.uniform(0.8, 1.2))  # noqa: S311
        return self._ask_once(question)

    def ask_if_known(self, question: Callable[[StripeGateway], T]) -> T | None:
        """Ask for one thing; ``None`` when Stripe does not know it.

        Raises:
            StripeProblem: Anything else.
        """
        try:
            return self.ask(question)
        except StripeRefused as refusal:
            if refusal.code != "resource_missing":
                raise
            return None

    def _ask_once(self, question: Callable[[StripeGateway], T]) -> T:
        time.sleep(max(self._not_before - time.monotonic(), 0))
        self._not_before = time.monotonic() + 1 / PER_SECOND
        return question(self.gateway)
