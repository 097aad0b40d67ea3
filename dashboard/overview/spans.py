"""Days in a row, as the plots of the overview divide a period."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.formats import date_format
from django.utils.translation import gettext as _

DAY = timedelta(days=1)
WEEK = 7
FEWEST_WEEKS, MOST_WEEKS = 9, 52
MOST_STACKS = 62
"""Beyond as many days the bars are weeks, and beyond as many weeks months."""


@dataclass(frozen=True)
class Span:
    """Some days in a row, the last included; ``label`` names them under a plot."""

    first: date
    last: date
    label: str


def unit_of(first: date, last: date) -> str:
    """In which a period is cut so that each part can still be seen: ``day``, ``week`` or ``month``."""
    length = (last - first).days + 1
    return "day" if length <= MOST_STACKS else "week" if length <= MOST_STACKS * WEEK else "month"


def spans_of(first: date, last: date) -> list[Span]:
    """Cut a period into its units, from its first day to its last."""
    unit, length = unit_of(first, last), (last - first).days + 1
    if unit == "day":
        return [_span(first + DAY * index, first + DAY * index) for index in range(length)]
    if unit == "week":
        starts = range(-first.weekday(), length, WEEK)
        return [_span(max(first + DAY * at, first), first + DAY * (at + WEEK - 1)) for at in starts]
    return _months(first, last)


def weeks_until(today: date, since: date, opened: date) -> list[Span]:
    """The weeks up to today, each from Monday on: as many as since a day, at least some, none before the opening."""
    monday = today - DAY * today.weekday()
    count = min(max((today - since).days // WEEK + 1, FEWEST_WEEKS), MOST_WEEKS)
    starts = [monday - DAY * WEEK * (count - 1 - index) for index in range(count)]
    weeks = [_span(start, start + DAY * (WEEK - 1)) for start in starts]
    return [week for week in weeks if week.last >= opened] or weeks[-1:]


def _span(first: date, last: date) -> Span:
    # Translators: a date format, day and month in short.
    return Span(first, last, date_format(first, _("j M")))


def _months(first: date, last: date) -> list[Span]:
    spans = []
    while first <= last:
        following = (first.replace(day=1) + DAY * 32).replace(day=1)
        # Translators: a date format, month in short and year.
        spans.append(Span(first, following - DAY, date_format(first, _("M Y"))))
        first = following
    return spans
