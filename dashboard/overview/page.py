"""What the overview shows: key figures of a period beside the one before, and plots with their numbers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from dashboard.lists.unread import Asked
from dashboard.names import attendee_name
from dashboard.overview import plots
from dashboard.overview.spans import DAY, Span, spans_of, unit_of, weeks_until
from registration import figures
from registration.attention import in_short
from registration.models import Conference
from registration.money import ZERO, format_amount, format_money
from registration.said import Sentence, reason_in_words, told_in_words

PERIODS = {"7": 7, "30": 30, "all": 0}
DEFAULT_PERIOD = "30"
TENTH = Decimal("0.1")
MOST_STUCK, MOST_REASONS = 10, 8


class Overview:
    """The figures of one conference over one period."""

    def __init__(self, request: HttpRequest, conference: Conference) -> None:
        self.conference = conference
        asked = Asked(request)
        self.period = asked.choice("period", PERIODS, _("Period")) or DEFAULT_PERIOD
        self.unread = asked.unread
        self.now: datetime = timezone.now()
        self.today = self.now.astimezone(ZoneInfo(conference.timezone)).date()
        self.opened = figures.first_day(conference)
        length = PERIODS[self.period]
        self.first = self.today - DAY * (length - 1) if length else self.opened or self.today
        self.before = self.first - DAY * length if length else None

    @property
    def chips(self) -> list[dict[str, Any]]:
        """The periods to choose from."""
        labels = {"7": _("7 days"), "30": _("30 days"), "all": _("Since sales opened")}
        url = reverse("overview")
        return [
            {"label": label, "url": f"{url}?period={name}", "current": name == self.period}
            for name, label in labels.items()
        ]

    @property
    def span_words(self) -> str:
        """Which days, in which currency."""
        values = {
            "first": date_format(self.first, "DATE_FORMAT"),
            "last": date_format(self.today, "DATE_FORMAT"),
            "currency": self.conference.currency,
        }
        return _("%(first)s to %(last)s, amounts in %(currency)s") % values

    # Refunds

    @cached_property
    def _weeks(self) -> list[Span]:
        return weeks_until(self.today, self.first, self.opened or self.today)

    @cached_property
    def _moved(self) -> dict[date, figures.Moved]:
        since = min(filter(None, (self.before, self.first, self._weeks[0].first)))
        return figures.refunds_by_day(self.conference, since)

    def _sum(self, first: date, last: date) -> figures.Moved:
        days = (moved for day, moved in self._moved.items() if first <= day <= last)
        return sum(days, figures.Moved())

    @cached_property
    def refunded(self) -> figures.Moved:
        """What was refunded in the period."""
        return self._sum(self.first, self.today)

    @property
    def refund_count(self) -> int:
        """How many refunds that were."""
        return sum(count for _reason, _told, _amount, count in self._by_reason)

    @property
    def refunded_words(self) -> str:
        """What was refunded in the period, as an amount."""
        return self._money(self.refunded.accepted)

    @property
    def not_sent_words(self) -> str:
        """What is decided and Stripe has not accepted: it stands on its way in the plot, and is no refund yet."""
        amount = self.refunded.arrived + self.refunded.under_way - self.refunded.accepted
        return self._money(amount) if amount > 0 else ""

    @cached_property
    def _refunded_before(self) -> Decimal:
        return self._sum(self.before, self.first - DAY).accepted if self.before else ZERO

    @property
    def refunded_rises(self) -> bool:
        """Whether it is more than in the period before."""
        return self.refunded.accepted >= self._refunded_before

    @property
    def refunded_change(self) -> str:
        """By how much it differs from the period before; nothing when there is none to compare with."""
        earlier = self._refunded_before
        return tenth(abs(self.refunded.accepted - earlier) * 100 / earlier) if earlier > 0 else ""

    @cached_property
    def refunds_by_day(self) -> dict[str, Any]:
        """Bars by state, and their numbers."""
        spans = self._spans
        rows = [(span, self._sum(span.first, span.last)) for span in spans]
        stacks = [
            (span.label, tuple(zip(("left", "moving", "amber", "red"), _amounts(moved), strict=True)))
            for span, moved in rows
        ]
        sums = [moved.arrived + moved.under_way for _span, moved in rows]
        at, most = max(enumerate(sums), key=lambda each: each[1])
        # Above the bar, which may be higher: what is proposed or failed stands on what moved.
        said = (at, _("%(amount)s moved") % {"amount": self._short(most)}) if most else None
        return {
            "plot": plots.bars(stacks, self._short, said),
            "highest": {"label": rows[at][0].label, "amount": self._money(most)} if most else None,
            "heads": [
                pgettext("period", "From"),
                _("Succeeded"),
                _("On its way"),
                _("Moved in all"),
                _("Proposed"),
                _("Failed, undone or rejected"),
                _("Of it as credit"),
            ],
            "is_empty": not any(amount for _span, moved in rows for amount in _amounts(moved)),
            "rows": [(span.label, *map(self._plain, _figures(moved))) for span, moved in rows],
        }

    @property
    def bars_title(self) -> str:
        """What one bar stands for."""
        titles = {"day": _("Refunds by day"), "week": _("Refunds by week"), "month": _("Refunds by month")}
        return titles[unit_of(self.first, self.today)]

    @cached_property
    def _spans(self) -> list[Span]:
        return spans_of(self.first, self.today)

    # Rate

    @cached_property
    def _paid(self) -> list[Decimal]:
        """Paid in all before the period, and at the end of each week."""
        days = sorted({self.first, *(week.last + DAY for week in self._weeks)})
        sums = dict(zip(days, figures.paid_until(self.conference, days), strict=True))
        return [sums[self.first], *(sums[week.last + DAY] for week in self._weeks)]

    @cached_property
    def rate(self) -> dict[str, Any]:
        """How much of all that was paid has gone back, now, when the period began and week by week."""
        start = min(self.first, self._weeks[0].first)
        base = figures.refunded_before(self.conference, start)
        gone = [base + self._sum(start, week.last).accepted for week in self._weeks]
        rates = [_percent(part, paid) for part, paid in zip(gone, self._paid[1:], strict=True)]
        labels = [week.label for week in self._weeks]
        earlier = _percent(base + self._sum(start, self.first - DAY).accepted, self._paid[0])
        points = list(zip(labels, rates, strict=True))
        return {
            "now": tenth(rates[-1]),
            "paid": self._money(self._paid[-1]),
            "change": self.before is not None,
            "earlier": tenth(earlier),
            "rises": rates[-1] >= earlier,
            "first": points[0][0],
            "then": tenth(rates[0]),
            "plot": plots.line(points, tenth),
            "heads": [_("Week of"), _("Rate"), _("Refunded so far"), _("Paid so far")],
            "rows": [
                (label, tenth(rate), self._plain(part), self._plain(paid))
                for label, rate, part, paid in zip(labels, rates, gone, self._paid[1:], strict=True)
            ],
        }

    # Credit

    @cached_property
    def credit(self) -> dict[str, Any]:
        """What is owed as credit, day by day and by age."""
        changes = figures.credit_by_day(self.conference, self.first)
        ages = figures.credit_by_age(self.conference, self.today)
        # What is owed now is kept on the credits, so nothing from before the period has to be added up.
        opening = sum((amount for _days, amount, _count in ages), ZERO) - sum(changes.values(), ZERO)
        owed, points = opening, []
        for span in self._spans:
            owed += sum((change for day, change in changes.items() if span.first <= day <= span.last), ZERO)
            points.append((span.label, owed))
        soon = figures.expiring_credit(self.conference, self.now, self.now + timedelta(days=30))
        return {
            "owed": self._money(owed),
            "opening": self._money(opening),
            "first": points[0][0],
            "change": self._money(abs(owed - opening)) if self.before is not None else "",
            "rises": owed >= opening,
            "count": sum(count for _days, _amount, count in ages),
            "expiring": self._money(soon) if soon else "",
            "plot": plots.line(points, self._short, "violet"),
            "heads": [pgettext("period", "From"), _("Owed")],
            "rows": [(label, self._plain(amount)) for label, amount in points],
            "ages": self._shares([(_age(index), amount, count) for index, (_days, amount, count) in enumerate(ages)]),
        }

    # Reasons and what is stuck

    @cached_property
    def _by_reason(self) -> list[tuple[Sentence, str, Decimal, int]]:
        return figures.by_reason(self.conference, self.first, self.today)

    @cached_property
    def reasons(self) -> list[dict[str, Any]]:
        """Why refunds of the period were given."""
        rows = self._by_reason
        kept = [(_because(reason, told), amount, count) for reason, told, amount, count in rows[:MOST_REASONS]]
        if rest := rows[MOST_REASONS:]:
            kept.append((_("Other reasons"), sum((row[2] for row in rest), ZERO), sum(row[3] for row in rest)))
        return self._shares(kept)

    @cached_property
    def stuck_rows(self) -> list[dict[str, Any]]:
        """The refunds that have waited longest, in words."""
        return [
            {
                "item": item,
                "order": item.refund.order,
                "attendee": attendee_name(item.refund.order),
                "what": in_short(item),
                "amount": self._plain(item.refund.amount),
            }
            for item in figures.stuck_items(self.conference)[:MOST_STUCK]
            if item.refund is not None
        ]

    @cached_property
    def stuck(self) -> dict[str, Any]:
        """What waits for somebody, and whether it became more."""
        counts = figures.stuck_counts(self.conference)
        now = sum(counts.values())
        then = figures.stuck_count_at(self.conference, self.first) if self.before is not None else now
        return {
            "amount": self._money(figures.stuck_amount(self.conference)),
            "counts": [(counts[kind], str(kind.label)) for kind in figures.STUCK if kind in counts],
            "change": abs(now - then),
            "rises": now > then,
        }

    def _shares(self, rows: Sequence[tuple[str, Decimal, int]]) -> list[dict[str, Any]]:
        widths = plots.shares([(label, amount) for label, amount, _count in rows], plots.NARROW)
        return [
            {"label": label, "amount": self._plain(amount), "count": count, "width": width}
            for (label, amount, count), width in zip(rows, widths, strict=True)
        ]

    def _money(self, amount: Decimal) -> str:
        return format_money(amount, self.conference.currency)

    def _plain(self, amount: Decimal) -> str:
        return format_amount(amount, self.conference.currency)

    def _short(self, amount: Decimal) -> str:
        """At an axis there is no room for cents that are none."""
        whole = amount == amount.to_integral_value()
        return number_format(amount, 0, force_grouping=True) if whole else self._plain(amount)


def _amounts(moved: figures.Moved) -> tuple[Decimal, ...]:
    """The parts of a bar, from the ground up."""
    return moved.arrived, moved.under_way, moved.proposed, moved.failed


def _figures(moved: figures.Moved) -> tuple[Decimal, ...]:
    """The numbers of a bar as its table has them: what moved, in all, then what did not."""
    arrived, under_way, *rest = _amounts(moved)
    return arrived, under_way, arrived + under_way, *rest, moved.as_credit


def _because(reason: Sentence, told: str) -> str:
    """Why something was refunded: the house's word, else what Stripe was told; what nobody here decided is one line."""
    if told == figures.EXTERNAL:
        return _("Made at Stripe")
    return reason_in_words(reason) or told_in_words(told)


def _percent(part: Decimal, whole: Decimal) -> Decimal:
    return part * 100 / whole if whole > 0 else ZERO


def tenth(rate: Decimal) -> str:
    """A percentage with one digit behind the point, rounded: a formatter on its own cuts."""
    # Translators: a share, like 3.8%.
    return _("%(number)s%%") % {"number": number_format(rate.quantize(TENTH, ROUND_HALF_UP), 1)}


def _age(index: int) -> str:
    """The days between two bounds in words."""
    ages = figures.AGES
    if index == len(ages):
        return _("Over a year")
    if index == 0:
        return _("Under %(days)s days") % {"days": ages[0]}
    return _("%(from)s to %(to)s days") % {"from": ages[index - 1], "to": ages[index]}
