"""What a list of orders can be narrowed by; all of it stands in the address."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property, lru_cache
from typing import Any
from zoneinfo import ZoneInfo

import django_filters
from django import forms
from django.db import connection
from django.db.models import F, QuerySet
from django.utils.translation import gettext_lazy as _

from dashboard.counts import MORE, Part, ask, values_unless_many
from dashboard.forms.fields import DATE_LIKE, NO_SUCH_CHOICE, AmountField
from dashboard.unread import NO_SUCH_WORDS, Unread
from registration.models import Conference, OpenItem, Order, Payment
from registration.order_search import AmongKeys, Led, Search, search

ANY = "any"
LEADING = {"method": "orders_by_method", "attention": "orders_by_item"}
"""Filters by rows that lead to orders, where these are few, and what the keys of the orders are asked for as."""
EARLIEST, LATEST = date(1970, 1, 1), date(2200, 1, 1)
"""Beyond these, moments leave what a database can compare."""


class AmountFilter(django_filters.Filter):
    """An amount typed as in the forms; what can be read in two ways is asked about, not guessed."""

    field_class = AmountField


@dataclass(frozen=True)
class PanelField:
    """A field of the panel, which most pages draw as everybody's do."""

    of: OrderFilter
    name: str

    @property
    def variant(self) -> str | None:
        """Tells apart what is drawn for everybody: nothing entered, or one of the choices; None for all else."""
        if self.name not in self.of.base_filters:
            return ""
        field = self.bound
        is_one_of_few = isinstance(field.field, forms.ChoiceField) and not field.errors
        return str(field.data) if is_one_of_few else None

    @property
    def bound(self) -> forms.BoundField:
        """The field itself."""
        return self.of.form[self.name] if self.name in self.of.base_filters else self.of.blank[self.name]


class OrderFilter(django_filters.FilterSet):
    """Search and filters of the orders list, the same for the page, its counts and the export."""

    q = django_filters.CharFilter(
        method="search", label=_("Search orders"), error_messages={"null_characters_not_allowed": NO_SUCH_WORDS}
    )
    status = django_filters.ChoiceFilter(
        choices=Order.Status.choices, label=_("Status"), error_messages={"invalid_choice": NO_SUCH_CHOICE}
    )
    refundable = django_filters.BooleanFilter(method="only_refundable", label=_("Refundable"))
    attention = django_filters.ChoiceFilter(
        choices=[(ANY, _("Anything")), *OpenItem.Kind.choices],
        method="led_to",
        label=_("Needs attention"),
        empty_label=_("All orders"),
        error_messages={"invalid_choice": NO_SUCH_CHOICE},
    )
    method = django_filters.ChoiceFilter(
        choices=Payment.Method.choices,
        method="led_to",
        label=_("Paid by"),
        empty_label=_("Any method"),
        error_messages={"invalid_choice": NO_SUCH_CHOICE},
    )
    since = django_filters.DateFilter(
        method="placed_since",
        label=_("Placed from"),
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"invalid": DATE_LIKE},
    )
    until = django_filters.DateFilter(
        method="placed_until",
        label=_("Placed until"),
        widget=forms.DateInput(attrs={"type": "date"}),
        error_messages={"invalid": DATE_LIKE},
    )
    least = AmountFilter(field_name="total", lookup_expr="gte", label=_("Total from"))
    most = AmountFilter(field_name="total", lookup_expr="lte", label=_("Total to"))

    class Meta:
        model = Order
        fields: list[str] = []

    def __init__(self, asked: Mapping[str, str], *args: Any, conference: Conference, **options: Any) -> None:
        """Days begin and end where the conference is. Only filters that are asked for are put together."""
        self.base_filters = {name: each for name, each in type(self).declared_filters.items() if name in asked}
        super().__init__(asked, *args, **options)
        self.zone = ZoneInfo(conference.timezone)
        self.conference = conference
        self._asked = asked
        self._search: Search | None = None
        self._known: dict[str, list[int] | int] = {}

    @property
    def form(self) -> forms.Form:
        """The fields of what is asked for, put together when they are first needed."""
        if not hasattr(self, "_form"):
            form = super().form
            for name, field in form.fields.items():
                if isinstance(field, AmountField):
                    field.set_currency(self.conference.currency)
                field.widget.attrs["aria-describedby"] = f"id_{name}_error"
                field.widget.attrs["class"] = "form-select" if isinstance(field, forms.ChoiceField) else "form-control"
        built: forms.Form = self._form
        return built

    @property
    def panel(self) -> dict[str, PanelField]:
        """All fields, as the panel of filters draws them."""
        return {name: PanelField(self, name) for name in type(self).declared_filters}

    @cached_property
    def blank(self) -> forms.Form:
        """All fields with nothing entered."""
        nothing = dict.fromkeys(type(self).declared_filters, "")
        return OrderFilter(nothing, queryset=self.queryset, conference=self.conference).form

    def narrowed(self, queryset: QuerySet[Order], without: Collection[str] = ()) -> QuerySet[Order]:
        """Narrow another queryset by what was asked, some of it left out; what cannot be read narrows nothing."""
        for name, value in self.read.items():
            if name not in without:
                queryset = self.filters[name].filter(queryset, value)
        return queryset

    @property
    def read(self) -> dict[str, Any]:
        """What was asked, by filter, as far as it could be read."""
        if self._is_plain_search:
            return {"q": self._asked["q"].strip()}
        self.is_valid()
        read: dict[str, Any] = self.form.cleaned_data
        return read

    @cached_property
    def unread(self) -> list[Unread]:
        """What was asked and could not be read."""
        if self._is_plain_search or self.is_valid():
            return []
        named = ((name, str(self.form[name].label), errors) for name, errors in self.form.errors.items())
        return [Unread(name, label, self._asked[name], str(errors[0])) for name, label, errors in named]

    @property
    def _is_plain_search(self) -> bool:
        """Most searches ask for nothing but words, and any words can be read."""
        words = self._asked.get("q", "").strip()
        return bool(words) and "\0" not in words and not self.base_filters.keys() - {"q"}

    def search(self, queryset: QuerySet[Order], _name: str, value: str) -> QuerySet[Order]:
        """Keep orders in which every word occurs, as the beginning of a word or of an id at Stripe."""
        if self._search is None:
            self._search = search(self.conference, value)
        return queryset.filter(self._search.condition)

    @property
    def finds_too_many(self) -> bool:
        """Whether the search, the method or the items alone find so many orders that nobody should count them."""
        if self._search is None and (asked := self.read.get("q")):
            self._search = search(self.conference, asked)
        is_common = self._search is not None and self._search.is_common
        return is_common or any(not isinstance(self._found(name), list) for name in LEADING if self.read.get(name))

    def only_refundable(self, queryset: QuerySet[Order], _name: str, value: bool) -> QuerySet[Order]:
        """Keep orders with something left to give back, or those without."""
        return queryset.filter(refundable_amount__gt=0) if value else queryset.filter(refundable_amount=0)

    def led_to(self, queryset: QuerySet[Order], name: str, _value: str) -> QuerySet[Order]:
        """Keep orders with money that arrived one way, or that somebody should look at.

        A database that walks the list for the first of them would walk all of it for something rare.
        """
        found = self._found(name)
        if isinstance(found, list):
            return queryset.filter(AmongKeys(found))
        return queryset.filter(Led(self._rows(name), are_gathered=found == MORE))

    @property
    def unknown(self) -> dict[str, Part]:
        """What is still to be asked of the rows that lead to orders, so that a page can ask it with something else."""
        asked = {name: column for name, column in LEADING.items() if self.read.get(name)}
        missing = {name: column for name, column in asked.items() if column not in self._known}
        return {column: values_unless_many(self._rows(name)) for name, column in missing.items()}

    def learn(self, answers: Mapping[str, str]) -> None:
        """Keep what was answered."""
        for column, text in answers.items():
            answer = json.loads(text)
            self._known[column] = sorted(set(answer)) if isinstance(answer, list) else answer

    def _found(self, name: str) -> list[int] | int:
        """The orders that a filter leads to, where they are few; else whether they are more or many."""
        if LEADING[name] not in self._known:
            self.learn(ask(self.unknown))
        return self._known[LEADING[name]]

    def _rows(self, name: str) -> Part:
        return _leading(connection.vendor, name, str(self.read[name]), self.conference.pk)

    def placed_since(self, queryset: QuerySet[Order], _name: str, value: date) -> QuerySet[Order]:
        """Keep orders from this day on."""
        return queryset.filter(created_at__gte=self._midnight(min(value, LATEST)))

    def placed_until(self, queryset: QuerySet[Order], _name: str, value: date) -> QuerySet[Order]:
        """Keep orders up to this day and including it."""
        return queryset.filter(created_at__lt=self._midnight(min(value, LATEST) + timedelta(days=1)))

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(max(day, EARLIEST), time(), self.zone)


@lru_cache(maxsize=64)
def _leading(_vendor: str, name: str, value: str, conference_id: int) -> Part:
    """The question for the orders that a filter leads to, kept: the ORM takes longer to write it than it to be read."""
    rows: QuerySet[Any]
    if name == "method":
        rows = Payment.objects.captured().filter(method=value)
    else:
        rows = OpenItem.objects.unresolved().filter(conference=conference_id, order__isnull=False)
        rows = rows if value == ANY else rows.filter(kind=value)
    part: Part = rows.order_by().values(wanted=F("order")).query.sql_with_params()
    return part
