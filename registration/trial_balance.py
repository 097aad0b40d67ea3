"""What every account of a conference held at the start of a period, what moved in it, and what it held at the end."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from django.db.models import Q, QuerySet, Sum

from registration.books import POSTINGS, Account, Posting
from registration.models import Conference
from registration.money import ZERO, quantize_money

BEGINNING = datetime.min.replace(tzinfo=UTC)
EARLIEST, LATEST = date(1970, 1, 1), date(2200, 1, 1)


@dataclass(frozen=True)
class Line:
    """One account in a period, in the conference's currency; debits are positive, credits negative."""

    account: Account
    opening: Decimal
    debits: Decimal
    credits: Decimal

    @property
    def closing(self) -> Decimal:
        """What it held at the end."""
        return self.opening + self.debits - self.credits


@dataclass(frozen=True)
class TrialBalance:
    """Every account of a conference; each column of it is zero in sum, or debits equal to credits."""

    lines: tuple[Line, ...]

    @property
    def opening(self) -> Decimal:
        """Zero, unless something is wrong."""
        return sum((line.opening for line in self.lines), ZERO)

    @property
    def debits(self) -> Decimal:
        """What was debited in the period."""
        return sum((line.debits for line in self.lines), ZERO)

    @property
    def credits(self) -> Decimal:
        """What was credited in the period; the same as what was debited."""
        return sum((line.credits for line in self.lines), ZERO)

    @property
    def closing(self) -> Decimal:
        """Zero, unless something is wrong."""
        return sum((line.closing for line in self.lines), ZERO)

    def held(self, *accounts: Account) -> Decimal:
        """What some accounts held together at the end."""
        return sum((line.closing for line in self.lines if line.account in accounts), ZERO)


def trial_balance(conference: Conference, since: datetime | None, until: datetime | None = None) -> TrialBalance:
    """Sum the movements of a conference by account.

    Args:
        conference: Whose.
        since: Where the period begins; before it lies the opening balance. ``None`` for the very beginning.
        until: Where it ends, itself not included; ``None`` for now and later.
    """
    sums: dict[str, list[Decimal]] = defaultdict(lambda: [ZERO, ZERO, ZERO])
    # One question for all kinds of movement: what moves while they are asked one by one would be told in part.
    first, *rest = (_sums(posting, conference, since, until) for posting in POSTINGS)
    for debit, credited, *amounts in first.union(*rest, all=True):
        opening, forth, back = map(quantize_money, amounts)
        for account, sign in ((debit, 1), (credited, -1)):
            held = sums[account]
            held[0] += sign * opening
            # A movement the other way is written with a negative amount: what it credits, it debits.
            held[1] += forth if sign > 0 else -back
            held[2] += -back if sign > 0 else forth
    return TrialBalance(tuple(Line(each, *sums[each]) for each in Account if each in sums))


def _sums(
    posting: Posting, conference: Conference, since: datetime | None, until: datetime | None
) -> QuerySet[Any, Any]:
    """What a kind of row moved before the period and in it, forth and back, by the two accounts."""
    rows = posting.rows().filter(**{posting.conference: conference})
    if until is not None:
        rows = rows.filter(moved_at__lt=until)
    before = Q(moved_at__lt=since) if since is not None else Q(pk__isnull=True)
    inside = Q(moved_at__gte=since) if since is not None else Q()
    sums: QuerySet[Any, Any] = (
        rows.order_by()
        .values("debit", "credited")
        .annotate(
            opening=Sum("amount", filter=before),
            forth=Sum("amount", filter=inside & Q(amount__gt=0)),
            back=Sum("amount", filter=inside & Q(amount__lt=0)),
        )
        .values_list("debit", "credited", "opening", "forth", "back")
    )
    return sums


def start_of(day: date, conference: Conference) -> datetime:
    """When a day begins at the conference; what no clock everywhere can show counts as the nearest that it can."""
    return datetime.combine(min(max(day, EARLIEST), LATEST), time.min, ZoneInfo(conference.timezone))


def end_of(day: date, conference: Conference) -> datetime:
    """When a day is over at the conference."""
    return start_of(min(day, LATEST) + timedelta(days=1), conference)
