"""What an attendee holds at a conference, and every movement that led there. Reads only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractBaseUser
from django.db import connection
from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet, Sum, prefetch_related_objects
from django.utils import timezone

from registration.json_rows import JSONRows, moment_of, rows_of
from registration.kept_query import NOW, WHERE, WHO, KeptQuery, KeptRows
from registration.models import Conference, Credit, CreditEntry, Order
from registration.money import ZERO, quantize_money
from registration.services.planner import plan_credit

LISTED_STATES = ("available", "expiring", "used", "expired", "voided", "paid_out")
SOON = timedelta(days=30)
NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Balance:
    """Where the credit of an attendee is, in ``currency``; ``issued`` is the sum of the other four."""

    currency: str
    available: Decimal
    used: Decimal
    expired: Decimal
    voided: Decimal

    @property
    def issued(self) -> Decimal:
        """All that was ever theirs to spend; what went to a card instead never was."""
        return self.available + self.used + self.expired + self.voided


@dataclass(frozen=True)
class Held:
    """What an attendee holds, added up by the database: however many credits there are, none of them is read.

    Attributes:
        balance: Where the amounts are.
        entries: The sum of all movements, which is what the newest of them left.
        newest: Key of the newest movement; 0 when nothing moved.
        next_to_expire: The spendable credit that expires first, if any of them ever does.
    """

    balance: Balance
    entries: Decimal
    newest: int
    next_to_expire: Credit | None


def held_by(attendee: Any, conference: Conference) -> Held:
    """Say where the amounts of an attendee's credits at a conference are, in one question."""
    moved, amounts, dated = _asked(attendee, conference)
    sums = {kind: quantize_money(amount) for kind, amount, _newest in moved}
    newest = max((key for *_sum, key in moved), default=0)
    available, spendable_once = map(quantize_money, amounts[0][1:] if amounts else (0, 0))
    kinds = CreditEntry.Kind
    balance = Balance(
        currency=conference.currency,
        available=available,
        used=-(sums.get(kinds.APPLIED, ZERO) + sums.get(kinds.RESTORED, ZERO)),
        expired=spendable_once - available - sums.get(kinds.EXPIRED, ZERO),
        voided=-sums.get(kinds.VOIDED, ZERO) - sums.get(kinds.RECALLED, ZERO),
    )
    return Held(balance, sum(sums.values(), ZERO), newest, _next(dated, conference))


def _asked(attendee: Any, conference: Conference) -> list[list[list[Any]]]:
    """Sums and newest entry by kind; what can be spent, and what is left of all that could; what expires next."""
    ((_key, *texts),) = _account(connection.vendor).ask(who=attendee.pk, where=conference.pk)
    return [rows_of(text) for text in texts]


@lru_cache(maxsize=2)
def _account(_vendor: str) -> KeptQuery:
    of_attendee = Credit.objects.filter(user=WHO, conference=WHERE).order_by()
    spendable = Credit.objects.spendable(at=NOW).filter(user=WHO, conference=WHERE)
    entries = CreditEntry.objects.filter(credit__user=WHO, credit__conference=WHERE).order_by()
    left = Sum("remaining_amount", filter=~Q(status=Credit.Status.PAID_OUT))
    sums = of_attendee.values("user").annotate(available=_sum_of(spendable), left=left)
    dated = spendable.filter(expires_at__isnull=False).order_by("expires_at", "pk")[:1]
    account = Conference.objects.filter(pk=WHERE).annotate(
        moved=JSONRows(
            entries.values("kind").annotate(moved=Sum("amount"), newest=Max("pk")), "kind", "moved", "newest"
        ),
        amounts=JSONRows(sums, "user", "available", "left"),
        dated=JSONRows(dated, "id", "remaining_amount", "expires_at"),
    )
    return KeptQuery(account.order_by(), "pk", "moved", "amounts", "dated")


def _sum_of(credits: QuerySet[Credit]) -> Sum:
    """What is left of these among the others."""
    return Sum("remaining_amount", filter=Q(pk__in=credits.order_by().values("pk")))


def _next(dated: list[list[Any]], conference: Conference) -> Credit | None:
    if not dated:
        return None
    key, remaining, expires_at = dated[0]
    return Credit(
        pk=key,
        conference=conference,
        currency=conference.currency,
        remaining_amount=quantize_money(remaining),
        expires_at=moment_of(expires_at),
    )


def attendees_of(conference: Conference) -> QuerySet[Any]:
    """Everybody with an order or a credit at the conference."""
    return _known_at(conference)


def attendee_at(conference: Conference, pk: int) -> Any:
    """One of them by key; None when the conference does not know them."""
    return next(iter(_attendee(connection.vendor).rows(who=pk, where=conference.pk)), None)


@lru_cache(maxsize=2)
def _attendee(_vendor: str) -> KeptRows:
    return KeptRows(_known_at(WHERE).filter(pk=WHO))


def _known_at(conference: Any) -> QuerySet[Any]:
    return _users().filter(
        Exists(Order.objects.filter(user=OuterRef("pk"), conference=conference))
        | Exists(Credit.objects.filter(user=OuterRef("pk"), conference=conference))
    )


def _users() -> QuerySet[Any]:
    return get_user_model()._default_manager.all()


def available_to(users: Iterable[Any], conference: Conference) -> dict[int, Decimal]:
    """What each of these attendees can spend at the conference now; nobody without credit is listed."""
    held = Credit.objects.spendable().filter(user__in=list(users), conference=conference)
    sums = held.order_by().values("user").annotate(available=Sum("remaining_amount"))
    return {row["user"]: quantize_money(row["available"]) for row in sums}


def available_with(attendee: Any, conference: Conference, gift: Decimal) -> tuple[Decimal, Decimal]:
    """What the attendee can spend now, and with a gift on top."""
    now = available_to([attendee], conference).get(attendee.pk, ZERO)
    return now, now + gift


def left_with(credit: Credit, change: Decimal) -> tuple[Decimal, Decimal]:
    """What is left of a credit now, and after a signed change; below zero it will be refused."""
    return credit.remaining_amount, credit.remaining_amount + change


def in_state(conference: Conference, state: str) -> QuerySet[Credit]:
    """The conference's credits in one state of ``LISTED_STATES``.

    Any other word means all that could ever be spent: the many notes of card refunds would bury them.
    """
    credits = Credit.objects.filter(conference=conference).order_by("-pk")
    now, spendable = timezone.now(), Credit.objects.spendable().filter(conference=conference)
    lapsed = Q(status=Credit.Status.EXPIRED) | Q(status=Credit.Status.AVAILABLE, expires_at__lte=now)
    choices = {
        "available": spendable.order_by("-pk"),
        "expiring": spendable.filter(expires_at__lte=now + SOON),
        "used": credits.filter(status=Credit.Status.APPLIED),
        "expired": credits.filter(lapsed),
        "voided": credits.filter(status=Credit.Status.VOIDED),
        "paid_out": credits.filter(status=Credit.Status.PAID_OUT),
    }
    return choices.get(state, credits.exclude(status=Credit.Status.PAID_OUT))


def held_in(credits: QuerySet[Credit]) -> tuple[Decimal, int]:
    """What is left of some credits of one currency, and how many attendees hold it."""
    held = credits.order_by().aggregate(left=Sum("remaining_amount"), holders=Count("user", distinct=True))
    return quantize_money(held["left"]), held["holders"]


def payable_orders(attendee: AbstractBaseUser, conference: Conference) -> list[Order]:
    """The attendee's orders that wait for money and whose hold has not run out, the most pressing first."""
    pending: list[Order] = _held_orders(connection.vendor).rows(who=attendee.pk, where=conference.pk)
    for order in pending:
        order.conference = conference
    prefetch_related_objects(pending, "line_items")
    return sorted(
        (o for o in pending if o.due_amount > 0), key=lambda order: (order.hold_expires_at or NEVER, order.pk)
    )


@lru_cache(maxsize=2)
def _held_orders(_vendor: str) -> KeptRows:
    pending = Order.objects.filter(user=WHO, conference=WHERE, status=Order.Status.PENDING)
    return KeptRows(pending.filter(Q(hold_expires_at__isnull=True) | Q(hold_expires_at__gt=NOW)))


@dataclass(frozen=True)
class CreditPlan:
    """What applying credit to an order would do; every amount in the order's currency."""

    order: Order
    parts: tuple[tuple[Credit, Decimal], ...]
    credit_before: Decimal

    @property
    def amount(self) -> Decimal:
        """What the credits pay together."""
        return sum((amount for _credit, amount in self.parts), ZERO)

    @property
    def credit_after(self) -> Decimal:
        """What is left of the chosen credits."""
        return self.credit_before - self.amount

    @property
    def due_after(self) -> Decimal:
        """What the order still waits for."""
        return self.order.due_amount - self.amount

    @property
    def pays_in_full(self) -> bool:
        """Whether the order is paid with it."""
        return self.due_after <= 0


def plan_of(credits: Iterable[Credit], order: Order, amount: Decimal | None = None) -> CreditPlan:
    """Plan the payment of an order from credits, with the planner that the service acts by."""
    chosen = [credit for credit in credits if credit.is_spendable]
    held = sum((credit.remaining_amount for credit in chosen), ZERO)
    return CreditPlan(order, tuple(plan_credit(chosen, order, amount)), held)
