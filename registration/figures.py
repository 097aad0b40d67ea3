"""What the overview counts: refunds by day, what was paid, credit owed, reasons, what is stuck. Reads only.

Every question is bounded: refunds and credit are grouped by the database from a day on, with one plain sum for all that
came before; what was paid is summed range by range along an index. Days are those of the conference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Case, Count, F, Min, Q, QuerySet, Sum, Value, When
from django.db.models.functions import TruncDate

from registration.models import Conference, Credit, CreditEntry, OpenItem, Order, Refund, RefundPart
from registration.models.refund import ACCEPTED, UNDER_WAY, State
from registration.money import ZERO, quantize_money
from registration.said import Sentence

TO_CREDIT = (RefundPart.Channel.STORE_CREDIT, RefundPart.Channel.CREDIT_RETURN)
STUCK = (OpenItem.Kind.FAILED, OpenItem.Kind.UNCONFIRMED, OpenItem.Kind.SLOW)
EXTERNAL = Refund.Source.EXTERNAL
AGES = (30, 90, 180, 365)
"""Days that divide the credit owed by its age."""


@dataclass(frozen=True)
class Moved:
    """What was refunded in some days, in the conference's currency: arrived, under way, proposed and failed."""

    arrived: Decimal = ZERO
    under_way: Decimal = ZERO
    proposed: Decimal = ZERO
    """What a second person has yet to decide."""
    failed: Decimal = ZERO
    as_credit: Decimal = ZERO
    """How much of what arrived or is on its way goes out as store credit."""
    accepted: Decimal = ZERO
    """What counts as refunded: arrived, or taken on by Stripe."""

    def __add__(self, other: Moved) -> Moved:
        """Both together."""
        return Moved(
            self.arrived + other.arrived,
            self.under_way + other.under_way,
            self.proposed + other.proposed,
            self.failed + other.failed,
            self.as_credit + other.as_credit,
            self.accepted + other.accepted,
        )


def midnight(day: date, conference: Conference) -> datetime:
    """When a day begins where the conference is."""
    return datetime.combine(day, time(), ZoneInfo(conference.timezone))


def first_day(conference: Conference) -> date | None:
    """The day of the first order; nothing when there is none."""
    first: datetime | None = Order.objects.filter(conference=conference).aggregate(at=Min("created_at"))["at"]
    return first.astimezone(ZoneInfo(conference.timezone)).date() if first else None


def refunds_by_day(conference: Conference, since: date) -> dict[date, Moved]:
    """Refunds by the day they were decided."""
    days: defaultdict[date, Moved] = defaultdict(Moved)
    grouped = (
        _parts(conference)
        .filter(created_at__gte=midnight(since, conference))
        .annotate(day=TruncDate("created_at", tzinfo=ZoneInfo(conference.timezone)))
        .values_list("day", "state", "channel")
        .annotate(amount=Sum("amount"))
    )
    for day, state, channel, amount in grouped:
        days[day] += _moved(state, channel, quantize_money(amount))
    return dict(days)


def refunded_before(conference: Conference, day: date) -> Decimal:
    """All that counts as refunded and was decided before a day."""
    parts = _parts(conference).filter(state__in=ACCEPTED, created_at__lt=midnight(day, conference))
    return quantize_money(parts.aggregate(amount=Sum("amount"))["amount"])


def paid_until(conference: Conference, days: Sequence[date]) -> list[Decimal]:
    """What was paid on orders placed before each of these rising days; the first takes all that came earlier."""
    starts: list[date | None] = [None, *days[:-1]] if days else []
    ranges = [_paid(conference, start, end, index) for index, (start, end) in enumerate(zip(starts, days, strict=True))]
    sums = dict(ranges[0].union(*ranges[1:], all=True)) if ranges else {}
    total, totals = ZERO, []
    for index in range(len(days)):
        total += quantize_money(sums.get(index))
        totals.append(total)
    return totals


def credit_by_day(conference: Conference, since: date) -> dict[date, Decimal]:
    """By how much the credit owed changed on each day from one on."""
    by_day = (
        CreditEntry.objects.filter(credit__conference=conference, created_at__gte=midnight(since, conference))
        .order_by()
        .annotate(day=TruncDate("created_at", tzinfo=ZoneInfo(conference.timezone)))
        .values_list("day")
        .annotate(amount=Sum("amount"))
    )
    return {day: quantize_money(amount) for day, amount in by_day}


def credit_by_age(conference: Conference, today: date) -> list[tuple[int | None, Decimal, int]]:
    """Credit with something left by the days since it was issued: the upper bound in days, amount, how many."""
    bounds = (None, *(midnight(today - timedelta(days=days), conference) for days in AGES), None)
    asked: dict[str, Any] = {}
    for index in range(len(AGES) + 1):
        older, newer = bounds[index], bounds[index + 1]
        aged = Q(created_at__lt=older) if older else Q()
        aged &= Q(created_at__gte=newer) if newer else Q()
        asked[f"amount_{index}"] = Sum("remaining_amount", filter=aged)
        asked[f"count_{index}"] = Count("pk", filter=aged)
    sums = Credit.objects.filter(conference=conference, remaining_amount__gt=0).order_by().aggregate(**asked)
    return [
        (days, quantize_money(sums[f"amount_{index}"]), int(sums[f"count_{index}"]))
        for index, days in enumerate((*AGES, None))
    ]


def expiring_credit(conference: Conference, now: datetime, until: datetime) -> Decimal:
    """What can be spent now and expires before a moment."""
    spendable = Credit.objects.spendable().filter(conference=conference, expires_at__gt=now, expires_at__lte=until)
    return quantize_money(spendable.order_by().aggregate(amount=Sum("remaining_amount"))["amount"])


def by_reason(conference: Conference, since: date, until: date) -> list[tuple[Sentence, str, Decimal, int]]:
    """Why refunds of some days were given, the largest sum first.

    Returns:
        The house reason; or without one what Stripe was told, or ``EXTERNAL`` for what nobody here decided; the amount;
        how many refunds.
    """
    parts = _between(_parts(conference).filter(state__in=ACCEPTED), conference, since, until)
    elsewhere = When(refund__reason="", refund__source=EXTERNAL, then=Value(str(EXTERNAL)))
    told = Case(elsewhere, When(refund__reason="", then=F("refund__stripe_reason")), default=Value(""))
    grouped = parts.values_list("refund__reason", told)
    grouped = grouped.annotate(amount=Sum("amount"), count=Count("refund", distinct=True))
    rows = [(reason, code, quantize_money(amount), count) for reason, code, amount, count in grouped]
    return sorted(rows, key=lambda row: (-row[2], str(row[0]), row[1]))


def stuck_items(conference: Conference) -> QuerySet[OpenItem]:
    """Refunds that wait for somebody, the longest first."""
    waiting = OpenItem.objects.unresolved().filter(conference=conference, kind__in=STUCK, refund__isnull=False)
    related = waiting.select_related("order", "refund__order__user", "conference").prefetch_related("refund__parts")
    return related.order_by("opened_at", "pk")


def stuck_amount(conference: Conference) -> Decimal:
    """What these refunds come to, each once."""
    items = stuck_items(conference).order_by().values("refund")
    return quantize_money(Refund.objects.filter(pk__in=items).aggregate(amount=Sum("amount"))["amount"])


def stuck_counts(conference: Conference) -> dict[str, int]:
    """How many of each kind wait."""
    counts = stuck_items(conference).order_by().values_list("kind").annotate(count=Count("pk"))
    return dict(counts)


def stuck_count_at(conference: Conference, day: date) -> int:
    """How many waited when a day began."""
    moment = midnight(day, conference)
    still = Q(resolved_at__isnull=True) | Q(resolved_at__gte=moment)
    items = OpenItem.objects.filter(still, conference=conference, kind__in=STUCK, refund__isnull=False)
    return items.filter(opened_at__lt=moment).count()


def _parts(conference: Conference) -> QuerySet[RefundPart]:
    return RefundPart.objects.filter(refund__order__conference=conference).order_by()


def _between(parts: QuerySet[RefundPart], conference: Conference, since: date, until: date) -> QuerySet[RefundPart]:
    end = midnight(until + timedelta(days=1), conference)
    return parts.filter(created_at__gte=midnight(since, conference), created_at__lt=end)


def _moved(state: str, channel: str, amount: Decimal) -> Moved:
    goes = state == State.SUCCEEDED or state in UNDER_WAY
    is_proposed = state == State.AWAITING_APPROVAL
    return Moved(
        arrived=amount if state == State.SUCCEEDED else ZERO,
        under_way=amount if state in UNDER_WAY else ZERO,
        proposed=amount if is_proposed else ZERO,
        failed=ZERO if goes or is_proposed else amount,
        as_credit=amount if goes and channel in TO_CREDIT else ZERO,
        accepted=amount if state in ACCEPTED else ZERO,
    )


def _paid(conference: Conference, start: date | None, end: date, index: int) -> Any:
    """One range of orders along the index, as a row of its number and sum."""
    orders = Order.objects.filter(conference=conference, created_at__lt=midnight(end, conference)).order_by()
    if start is not None:
        orders = orders.filter(created_at__gte=midnight(start, conference))
    numbered = orders.values("conference").annotate(range=Value(index), paid=Sum("paid_amount"))
    return numbered.values_list("range", "paid")
