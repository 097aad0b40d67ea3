"""Loads the season: three conferences, 5,000 orders, and the same money at the Stripe sandbox."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from dashboard.demo.catalog import make_conferences, make_staff
from dashboard.demo.credit_stories import OTHER_STORIES
from dashboard.demo.drift_story import never_heard_of
from dashboard.demo.ledger import Ledger
from dashboard.demo.orders import Shop, sell
from dashboard.demo.people import Buyer, Person, people
from dashboard.demo.sandbox_seed import Sandbox
from dashboard.demo.saving import save
from dashboard.demo.stories import REFUND_STORIES
from registration.models import Conference

SEED = 20_260
COMES_AGAIN = 0.18
"""How often a buyer has bought before."""


def is_loaded() -> bool:
    """Whether there is anything to keep."""
    return Conference.objects.exists()


def load_season(sandbox: Sandbox, *, now: datetime | None = None, scale: float = 1.0) -> int:
    """Fill an empty database and the sandbox with the season, or neither.

    Args:
        sandbox: Where the payments go as well.
        now: The moment that the season's dates are relative to.
        scale: Size of the season; tests take a small one.

    Returns:
        The number of orders.
    """
    now = now or timezone.now()
    ledger = Ledger(random.Random(SEED), now)  # noqa: S311 - a season, not a secret.
    with transaction.atomic():
        conferences = make_conferences(timezone.localdate(now))
        staff = make_staff([conference for _plan, conference in conferences])
        public = Audience(ledger.rng)
        for plan, conference in conferences:
            shop = Shop(ledger, plan, conference, staff, public.buyers(plan.currency))
            before = len(ledger.orders)
            for story in (*REFUND_STORIES, *OTHER_STORIES, never_heard_of):
                story(shop)
            sell(shop, int(plan.orders * scale) - (len(ledger.orders) - before))
        User.objects.bulk_create(public.users, batch_size=500)
        save(ledger)
        for slug, payments in ledger.seeds.items():
            sandbox.seed(slug, payments)
    return len(ledger.orders)


class Audience:
    """Attendees, some of whom come back."""

    def __init__(self, rng: random.Random) -> None:
        """Share one password that nobody can type."""
        self.users: list[User] = []
        self._known: list[Buyer] = []
        self._rng = rng
        self._seen: dict[str, int] = {}
        self._password = make_password(None)

    def buyers(self, home: str) -> Iterator[Buyer]:
        """Yield who buys next at the conference with that currency, without end."""
        strangers = people(self._rng, home, self._seen)
        while True:
            if self._known and self._rng.random() < COMES_AGAIN:
                yield self._rng.choice(self._known)
            else:
                yield self._meet(next(strangers))

    def _meet(self, person: Person) -> Buyer:
        user = User(
            username=person.email,
            email=person.email,
            password=self._password,
            first_name=person.given,
            last_name=person.family,
        )
        self.users.append(user)
        self._known.append(Buyer(user, person.name, person.company))
        return self._known[-1]
