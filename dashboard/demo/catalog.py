"""The three conferences, what they sell, and who works for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User

from registration.models import Conference, Membership, RefundReason
from registration.roles import ensure_roles

PASSWORD = "refund-desk"  # noqa: S105 - printed by the demo; nothing else knows it.
ROLES = {"support": "Support", "finance": "Finance", "viewer": "Viewer", "admin": "Administrator"}
STAFF = {
    "support": ("Bram", "de Vrieslander"),
    "finance": ("Inês", "Duarteira"),
    "viewer": ("Noor", "Haddadine"),
    "admin": ("Tove", "Lindqvistad"),
}
REASONS = (
    ("Requested by attendee", "requested_by_customer"),
    ("Duplicate payment", "duplicate"),
    ("Programme changed", "requested_by_customer"),
    ("Our mistake", "requested_by_customer"),
    ("Fraudulent", "fraudulent"),
)


@dataclass(frozen=True, slots=True)
class Plan:
    """One conference: name, currency, how long until it begins, what it sells, how many orders it has.

    Attributes:
        tickets: Description, price in whole major units, and how often it is chosen.
        extras: Likewise, bought beside a ticket.
    """

    name: str
    slug: str
    currency: str
    timezone: str
    starts_in_days: int
    orders: int
    tickets: tuple[tuple[str, int, int], ...]
    extras: tuple[tuple[str, int, int], ...]
    support_limit: int | None = None
    credit_days: int | None = None


PLANS = (
    Plan(
        "Lindenhof Web Days",
        "lindenhof-web-days",
        "EUR",
        "Europe/Berlin",
        103,
        2600,
        (
            ("Individual ticket, early bird", 240, 30),
            ("Individual ticket, regular", 320, 38),
            ("Business ticket, early bird", 450, 10),
            ("Business ticket, regular", 580, 12),
            ("Student ticket", 120, 10),
        ),
        (
            ("Tutorial: Async views in production", 80, 10),
            ("Tutorial: Testing without tears", 80, 10),
            ("Conference dinner", 55, 14),
            ("T-shirt", 22, 8),
            ("Childcare, per day", 15, 3),
        ),
        support_limit=250,
        credit_days=365,
    ),
    Plan(
        "Cedar Bay Software Summit",
        "cedar-bay-summit",
        "USD",
        "America/Los_Angeles",
        47,
        1700,
        (
            ("Full pass, early bird", 395, 34),
            ("Full pass", 495, 30),
            ("Corporate pass", 795, 12),
            ("Community pass", 195, 14),
            ("Remote pass", 89, 10),
        ),
        (
            ("Workshop: Postgres under load", 175, 8),
            ("Workshop: Accessible forms", 150, 8),
            ("Harbour cruise", 68, 9),
            ("Hoodie", 45, 6),
        ),
        support_limit=250,
        credit_days=540,
    ),
    Plan(
        "Kawabe Code Matsuri",
        "kawabe-code-matsuri",
        "JPY",
        "Asia/Tokyo",
        -16,
        700,
        (
            ("一般チケット General admission", 28000, 50),
            ("早割チケット Early bird", 22000, 26),
            ("法人チケット Corporate admission", 52000, 10),
            ("学生チケット Student admission", 8000, 14),
        ),
        (
            ("ハンズオン Hands-on workshop", 9000, 8),
            ("懇親会 Party", 6500, 12),
            ("Tシャツ T-shirt", 3500, 7),
        ),
    ),
)


def make_conferences(today: date) -> list[tuple[Plan, Conference]]:
    """Create the conferences with their keys and reasons."""
    made = []
    for plan in PLANS:
        start = today + timedelta(days=plan.starts_in_days)
        conference = Conference.objects.create(
            name=f"{plan.name} {start.year}",
            slug=plan.slug,
            start_date=start,
            end_date=start + timedelta(days=3),
            timezone=plan.timezone,
            currency=plan.currency,
            stripe_secret_key=secret_key(plan.slug),
            stripe_publishable_key=f"pk_test_sandbox_{plan.slug}",
            stripe_webhook_secret=webhook_secret(plan.slug),
            support_refund_limit=Decimal(plan.support_limit) if plan.support_limit else None,
            support_daily_limit=Decimal(plan.support_limit * 6) if plan.support_limit else None,
            credit_validity_days=plan.credit_days,
        )
        RefundReason.objects.bulk_create(
            RefundReason(conference=conference, label=label, stripe_reason=reason, position=position)
            for position, (label, reason) in enumerate(REASONS)
        )
        made.append((plan, conference))
    return made


def secret_key(slug: str) -> str:
    """The key of a conference's account at the sandbox."""
    return f"sk_test_sandbox_{slug}"


def webhook_secret(slug: str) -> str:
    """What the sandbox signs a conference's events with."""
    return f"whsec_sandbox_{slug}"


def make_staff(conferences: list[Conference]) -> dict[str, User]:
    """Create one login for each role, a member of every conference; by user name."""
    password = make_password(PASSWORD)
    groups = ensure_roles()
    staff = {}
    for username, (given, family) in STAFF.items():
        user = User.objects.create(
            username=username,
            password=password,
            first_name=given,
            last_name=family,
            email=f"{username}@refund-desk.example",
        )
        user.groups.add(groups[ROLES[username]])
        Membership.objects.bulk_create(Membership(user=user, conference=each) for each in conferences)
        staff[username] = user
    return staff
