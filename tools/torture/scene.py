"""What one run has: a conference with its own Stripe account, paid orders, credits, and what everybody will do."""

import uuid
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from random import Random
from typing import Any

from django.contrib.auth.models import User

from registration.models import Conference, Credit, Membership, Order, Payment
from registration.money import to_minor_units
from tools.torture import killing
from tools.torture.sandbox import Sandbox

CARDS = ["pm_card_visa"] * 8 + [
    "pm_card_refundFail",
    "pm_card_pendingRefund",
    "pm_sandbox_pendingRefundFail",
    "pm_sandbox_refundRequiresAction",
]
DESTINATIONS = ["CARD", "CARD", "CARD_AND_CREDIT", "SPLIT", "CREDIT"]
SECRET = "whsec_of_the_torture"  # noqa: S105
ACTORS, JOBS, PAID_ORDERS = 5, 7, 7
DIE_AT_A_BOUNDARY = 2


DECISIONS = {
    "web_refund": [(), (), ("undo",), ("release",), ("undo", "release")],
    "hold": [(), ("undo",), ("release",), ("undo", "release"), ("release", "release")],
    "propose": [
        (),
        ("approve",),
        ("approve",),
        ("reject",),
        ("withdraw",),
        ("approve", "reject"),
        ("approve", "withdraw"),
    ],
}


@dataclass(frozen=True)
class Staff:
    """Who works at the desk: Finance may do everything, Support proposes what is above the limit."""

    finance: User
    support: User


@dataclass(frozen=True)
class Job:
    """One thing an actor does.

    Attributes:
        kind: ``refund``, ``hold``, ``propose`` and ``credit`` by the service, ``web_…`` by a form.
        times: How often the same form is sent.
        then: What is decided about a refund that waits; two at the same instant, or nothing.
    """

    kind: str
    order: int
    amount: str = "0"
    destination: str = "CARD"
    nonce: str = ""
    times: int = 1
    credit: int = 0
    then: tuple[str, ...] = ()
    pause: float = 0.0


@dataclass
class Part:
    """What one actor does, and how it dies: at a boundary, after some seconds, or not at all."""

    jobs: list[Job]
    kill_at: str = ""
    kill_after: float | None = None


@dataclass
class Scene:
    """One run, before it begins."""

    conference: Conference
    sandbox: Sandbox
    orders: list[Order]
    pending: list[Order]
    credits: list[Credit]
    cast: list[Part] = field(default_factory=list)


def build(number: int, rng: Random, staff: Staff, sandbox: Sandbox, desk: str, ends: list[str]) -> Scene:
    """Write the rows, tell the sandbox, and decide who will do what; some of the cast end at the boundaries given."""
    key = f"sk_test_sandbox_t{number}"
    conference = Conference.objects.create(
        slug=f"run-{number}",
        name=f"Run {number}",
        stripe_secret_key=key,
        stripe_webhook_secret=SECRET,
        support_refund_limit=Decimal(5),
        support_daily_limit=Decimal(50),
        undo_seconds=rng.choice((0, 0, 1)),
    )
    for colleague in (staff.finance, staff.support):
        Membership.objects.create(user=colleague, conference=conference)
    attendee, _made = User.objects.get_or_create(username="ada", defaults={"email": "ada@example.com"})
    account = sandbox.of(key)
    orders = [_paid_order(conference, attendee, rng, account) for _ in range(PAID_ORDERS)]
    pending = [_order(conference, attendee, Decimal(rng.randint(20, 90))) for _ in range(3)]
    credits = [_credit(conference, attendee, rng) for _ in range(3)]
    address = f"{desk}/stripe/webhooks/{conference.slug}/"
    account.control("webhook_endpoints", url=address, secret=SECRET, enabled_events=["*"])
    scene = Scene(conference, account, orders, pending, credits)
    scene.cast = [_part(scene, rng, ends.pop() if ends else "") for _ in range(ACTORS)]
    _share_forms(scene.cast, rng)
    return scene


def ends_of_run(seed: int, number: int) -> list[str]:
    """The boundaries that are this run's turn, so that many runs visit all of them, in an order of the seed."""
    order = killing.boundaries()
    Random(seed).shuffle(order)  # noqa: S311
    first = (number - 1) * DIE_AT_A_BOUNDARY
    return [order[(first + place) % len(order)] for place in range(DIE_AT_A_BOUNDARY)]


def _order(conference: Conference, attendee: User, total: Decimal, **fields: Any) -> Order:
    return Order.objects.create(conference=conference, user=attendee, total=total, subtotal=total, **fields)


def _credit(conference: Conference, attendee: User, rng: Random) -> Credit:
    amount = Decimal(rng.randint(1000, 9000)) / 100
    return Credit.objects.create(conference=conference, user=attendee, amount=amount, kind=Credit.Kind.GOODWILL)


def _paid_order(conference: Conference, attendee: User, rng: Random, account: Sandbox) -> Order:
    """An order paid by one or two cards, all of which the sandbox knows."""
    amounts = [Decimal(rng.randint(5000, 30000)) / 100 for _ in range(rng.choice((1, 1, 2)))]
    order = _order(conference, attendee, sum(amounts, Decimal(0)), status=Order.Status.PAID)
    seeded = []
    for number, amount in enumerate(amounts):
        name = f"t{order.pk}x{number}"
        payment = Payment.objects.create(
            order=order,
            status=Payment.Status.SUCCEEDED,
            amount=amount,
            stripe_payment_intent_id=f"pi_{name}",
            stripe_charge_id=f"ch_{name}",
        )
        minor = to_minor_units(amount, payment.currency)
        card = {"payment_method": rng.choice(CARDS), "currency": payment.currency.lower()}
        seeded.append({"id": f"pi_{name}", "charge": f"ch_{name}", "amount": minor} | card)
    account.control("seed", payments=seeded)
    order.refresh_from_db()
    return order


def _part(scene: Scene, rng: Random, kill_at: str) -> Part:
    kill_after = rng.uniform(0.02, 0.8) if not kill_at and rng.random() < 0.35 else None
    return Part([_job(scene, rng) for _ in range(JOBS)], kill_at, kill_after)


def _share_forms(cast: list[Part], rng: Random) -> None:
    """Two colleagues sometimes send the same form, for they looked over one shoulder."""
    for one, other in pairwise(cast):
        if rng.random() < 0.3:
            place = rng.randrange(JOBS)
            other.jobs[place] = one.jobs[place]


def _job(scene: Scene, rng: Random) -> Job:
    """A refund or a use of credit; the first order is everybody's favourite."""
    pause = rng.choice((0.0, 0.0, rng.uniform(0, 0.1)))
    if rng.random() < 0.25:
        kind = rng.choice(("credit", "credit", "web_credit"))
        return Job(kind, rng.choice(scene.pending).pk, credit=rng.choice(scene.credits).pk, pause=pause)
    order = rng.choice([scene.orders[0], *scene.orders])
    kind = rng.choice(("refund", "refund", "refund", "web_refund", "web_refund", "hold", "propose"))
    return Job(
        kind,
        order.pk,
        amount=str((order.total / rng.randint(2, 6)).quantize(Decimal("0.01"))),
        destination=rng.choice(DESTINATIONS),
        nonce=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        times=rng.choice((1, 1, 2)),
        then=rng.choice(DECISIONS.get(kind, [()])),
        pause=pause,
    )
