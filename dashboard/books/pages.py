"""What the books show: the trial balance of a conference over a period, and the account of one order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from dashboard.books.files import account_csv, movements_csv, trial_csv
from dashboard.forms.period import PeriodForm
from dashboard.lists.unread import Unread
from dashboard.templatetags.desk import moment
from registration.books import Account, Kind, balances, gone_from, movements_of, paid_in
from registration.models import Conference, Order
from registration.money import ZERO, format_amount, format_money
from registration.trial_balance import TrialBalance, end_of, start_of, trial_balance

LOOK = "registration.view_books"
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Row:
    """One account of the table, without symbols."""

    label: str
    opening: str
    debits: str
    credits: str
    closing: str


class BooksPage:
    """The trial balance of one conference over the days that the address names; this month if it names none."""

    def __init__(self, request: HttpRequest, conference: Conference) -> None:
        self.conference = conference
        self.today = timezone.now().astimezone(ZoneInfo(conference.timezone)).date()
        usual = {"since": self.today.replace(day=1).isoformat(), "until": self.today.isoformat()}
        self._asked = {name: request.GET.get(name, day).strip() for name, day in usual.items()}
        self.form = PeriodForm(self._asked)
        # The reader of an answer begins at its table, the reader of a refusal at what is wrong.
        self.is_asked = self.form.is_valid() and any(name in request.GET for name in usual)
        self.first: date | None = self.form.cleaned_data.get("since")
        self.last: date | None = self.form.cleaned_data.get("until")

    @property
    def unread(self) -> list[Unread]:
        """The days that cannot be read or lie the wrong way round; the period has no end on their side."""
        no_end = _("The period has no end on this side.")
        return [
            Unread(name, str(self.form[name].label), self._asked[name], f"{errors[0]} {no_end}")
            for name, errors in self.form.errors.items()
        ]

    @property
    def period(self) -> tuple[datetime | None, datetime | None]:
        """From when on, and up to when; ``None`` for no end on that side."""
        since = start_of(self.first, self.conference) if self.first else None
        return since, end_of(self.last, self.conference) if self.last else None

    @cached_property
    def trial(self) -> TrialBalance:
        """The sums."""
        return trial_balance(self.conference, *self.period)

    @property
    def rows(self) -> list[Row]:
        """One row for each account that ever moved."""
        return [
            self._row(str(line.account.label), line.opening, line.debits, line.credits, line.closing)
            for line in self.trial.lines
        ]

    @property
    def total(self) -> Row:
        """The foot of the table."""
        trial = self.trial
        return self._row(_("Together"), trial.opening, trial.debits, trial.credits, trial.closing)

    @property
    def balances(self) -> bool:
        """Whether debits and credits cancel out, at the start and at the end."""
        return self.trial.opening == self.trial.closing == ZERO

    @property
    def chips(self) -> list[dict[str, Any]]:
        """The periods most asked for."""
        this_month = self.today.replace(day=1)
        last_month = (this_month - DAY).replace(day=1)
        periods = (
            (_("This month"), this_month, self.today),
            (_("Last month"), last_month, this_month - DAY),
            (_("From the beginning"), None, self.today),
        )
        shown = (self.first, self.last)
        return [
            {"label": label, "url": self._url("books", *days), "current": tuple(days) == shown}
            for label, *days in periods
        ]

    @property
    def span(self) -> str:
        """Which days, in which currency."""
        since = _("From %(day)s") % {"day": _spoken(self.first)} if self.first else _("From the beginning")
        until = _("up to %(day)s") % {"day": _spoken(self.last)} if self.last else _("up to now")
        words = {"since": since, "until": until, "currency": self.conference.currency}
        return _("%(since)s %(until)s, amounts in %(currency)s") % words

    @property
    def url(self) -> str:
        """The page of these days, as far as they could be read."""
        return self._url("books", self.first, self.last)

    @property
    def export_url(self) -> str:
        """The same table as a file."""
        return self._url("books_export", self.first, self.last)

    @property
    def movements_url(self) -> str:
        """Every movement of the period as a file."""
        return self._url("books_movements", self.first, self.last)

    def file_name(self, what: str) -> str:
        """Names the file after conference and period."""
        days = (day.isoformat() for day in (self.first, self.last) if day)
        parts = (self.conference.slug, what, *days)
        return "-".join(parts) + ".csv"

    def csv(self) -> Iterator[str]:
        """The table as CSV."""
        return trial_csv(self.trial.lines, self.conference)

    def movements_csv(self) -> Iterator[str]:
        """One line for each movement of the period."""
        return movements_csv(self.conference, *self.period)

    def _row(self, label: str, *amounts: Decimal) -> Row:
        return Row(label, *(format_amount(amount, self.conference.currency) for amount in amounts))

    def _url(self, name: str, first: date | None, last: date | None) -> str:
        asked = {"since": first.isoformat() if first else "", "until": last.isoformat() if last else ""}
        return f"{reverse(name)}?{urlencode(asked)}"


class AccountPage:
    """What moved on one order, and what each account holds of it."""

    def __init__(self, order: Order) -> None:
        self.order = order

    @cached_property
    def movements(self) -> list[dict[str, str]]:
        """Every movement, oldest first, in words."""
        return [
            {
                "when": moment(movement.at),
                "what": str(Kind(movement.kind).label),
                "debit": str(Account(movement.debit).label),
                "credit": str(Account(movement.credit).label),
                "amount": self._plain(movement.amount),
            }
            for movement in self._moved
        ]

    @cached_property
    def _moved(self) -> list[Any]:
        return movements_of(self.order)

    @cached_property
    def _held(self) -> dict[str, Decimal]:
        return balances(self._moved)

    @property
    def accounts(self) -> list[tuple[str, str]]:
        """What each account holds, in the order of the books."""
        return [(str(each.label), self._plain(self._held[each])) for each in Account if each in self._held]

    @property
    def total(self) -> str:
        """What they hold together: nothing."""
        return self._plain(sum(self._held.values(), ZERO))

    @property
    def agrees(self) -> bool:
        """Whether the account says what the order says."""
        paid, gone = paid_in(self._held), gone_from(self._held)
        return (paid, gone) == (self.order.paid_amount, self.order.refunded_amount)

    @property
    def summary(self) -> str:
        """The account in one sentence."""
        values = {"paid": paid_in(self._held), "gone": gone_from(self._held)}
        words = {name: format_money(amount, self.order.currency) for name, amount in values.items()}
        return _("%(paid)s was paid and %(gone)s went back.") % words

    def csv(self) -> Iterator[str]:
        """The movements as CSV."""
        return account_csv(self.order)

    def _plain(self, amount: Decimal) -> str:
        return format_amount(amount, self.order.currency)


def _spoken(day: date) -> str:
    return date_format(day, "DATE_FORMAT")
