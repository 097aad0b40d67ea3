"""A season of orders to measure on: plain rows in bulk, so that it is there in seconds."""

import random
import sys
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import islice

from django.contrib.auth.models import Group, User
from django.utils import timezone

from registration.models import Conference, Membership, Order, Payment

FIRST = "Ada Grace Linus Priya Linnea Jürgen Chidi Aiko Zoë Björn Fatima Mateo Noor Élodie Ivan Mei".split()
LAST = "Lovelace Hopper Okafor Sjöberg Müller Nakamura García Haddad Novák Silva Rossi Kowalska Smith Jansen".split()
BATCH = 1000


def build(orders: int) -> tuple[User, Conference]:
    """Fill an empty database with paid orders and one member of Finance who may see them."""
    conference = Conference.objects.create(name="Benchmark", slug="benchmark", currency="EUR")
    staff = User.objects.create_user("bench")
    staff.groups.add(Group.objects.get(name="Finance"))
    Membership.objects.create(user=staff, conference=conference)
    season = _orders(conference, orders)
    done = 0
    while batch := list(islice(season, BATCH)):
        _save(batch)
        done += len(batch)
        print(f"\rBuilding {done:,} of {orders:,} orders", end="", file=sys.stderr)
    print(file=sys.stderr)
    return staff, conference


def _orders(conference: Conference, count: int) -> Iterator[Order]:
    dice = random.Random(20)  # noqa: S311 - the same season every time, nothing secret.
    for number in range(count):
        first, last = dice.choice(FIRST), dice.choice(LAST)
        total = Decimal(dice.randrange(5000, 90000)) / 100
        attendee = User(username=f"attendee-{number}", first_name=first, last_name=last)
        yield Order(
            conference=conference,
            user=attendee,
            status=Order.Status.PAID,
            subtotal=total,
            total=total,
            billing_name=f"{first} {last}",
            billing_email=f"{first}.{last}.{number}@example.com".lower(),
        )


def _save(batch: list[Order]) -> None:
    User.objects.bulk_create([order.user for order in batch])
    orders = Order.objects.bulk_create(batch)
    Payment.objects.bulk_create(
        Payment(order=o, status=Payment.Status.SUCCEEDED, amount=o.total, stripe_payment_intent_id=f"pi_bench_{o.pk}")
        for o in orders
    )
    now = timezone.now()
    for order in orders:
        order.created_at = now - timedelta(minutes=order.pk)
    Order.objects.bulk_update(orders, ["created_at"])
