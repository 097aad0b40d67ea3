"""What a list can be narrowed by; all of it stands in the address, and what cannot be read there is said."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import django_filters
from django import forms
from django.db.models import QuerySet

from dashboard.forms.fields import DATE_LIKE, NO_SUCH_CHOICE, AmountField
from dashboard.forms.period import RangesForm
from dashboard.lists.unread import Unread
from registration.models import Conference

EARLIEST, LATEST = date(1970, 1, 1), date(2200, 1, 1)
"""Beyond these, moments leave what a database can compare."""


class AmountFilter(django_filters.Filter):
    """An amount typed as in the forms; what can be read in two ways is asked about, not guessed."""

    field_class = AmountField


def day_filter(label: Any, **options: Any) -> django_filters.DateFilter:
    """One end of a period, as all lists ask for it."""
    widget = forms.DateInput(attrs={"type": "date"})
    return django_filters.DateFilter(label=label, widget=widget, error_messages={"invalid": DATE_LIKE}, **options)


def choice_filter(choices: Any, label: Any, **options: Any) -> django_filters.ChoiceFilter:
    """One of few; what is made up is said to be."""
    said = {"invalid_choice": NO_SUCH_CHOICE}
    return django_filters.ChoiceFilter(choices=choices, label=label, error_messages=said, **options)


@dataclass(frozen=True)
class PanelField:
    """A field of the panel, which most pages draw as everybody's do."""

    of: ListFilter
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


class ListFilter(django_filters.FilterSet):
    """Filters of a list, the same for the page, its counts and the export."""

    class Meta:
        form = RangesForm
        fields: list[str] = []

    def __init__(self, asked: Mapping[str, str], *args: Any, conference: Conference, **options: Any) -> None:
        """Days begin and end where the conference is. Only filters that are asked for are put together."""
        self.base_filters = {name: each for name, each in type(self).declared_filters.items() if name in asked}
        super().__init__(asked, *args, **options)
        self.zone = ZoneInfo(conference.timezone)
        self.conference = conference
        self._asked = asked

    @property
    def form(self) -> forms.Form:
        """The fields of what is asked for, put together when they are first needed."""
        if not hasattr(self, "_form"):
            form = super().form
            for name, field in form.fields.items():
                if (offered := self.offers(name)) is not None:
                    field.choices = offered
                if isinstance(field, AmountField):
                    field.set_currency(self.conference.currency)
                field.widget.attrs["aria-describedby"] = f"id_{name}_error"
                field.widget.attrs["class"] = "form-select" if isinstance(field, forms.ChoiceField) else "form-control"
        built: forms.Form = self._form
        return built

    def offers(self, name: str) -> list[tuple[str, str]] | None:
        """The choices of a filter that has not the same for every conference; None for all others."""
        return None

    @property
    def panel(self) -> dict[str, PanelField]:
        """All fields, as the panel of filters draws them."""
        return {name: PanelField(self, name) for name in type(self).declared_filters}

    @cached_property
    def blank(self) -> forms.Form:
        """All fields with nothing entered."""
        nothing = dict.fromkeys(type(self).declared_filters, "")
        return type(self)(nothing, queryset=self.queryset, conference=self.conference).form

    def narrowed(self, queryset: QuerySet[Any], without: Collection[str] = ()) -> QuerySet[Any]:
        """Narrow another queryset by what was asked, some of it left out; what cannot be read narrows nothing."""
        for name, value in self.read.items():
            if name not in without:
                queryset = self.filters[name].filter(queryset, value)
        return queryset

    @property
    def read(self) -> dict[str, Any]:
        """What was asked, by filter, as far as it could be read."""
        self.is_valid()
        read: dict[str, Any] = self.form.cleaned_data
        return read

    @cached_property
    def unread(self) -> list[Unread]:
        """What was asked and could not be read."""
        if self.is_valid():
            return []
        named = ((name, str(self.form[name].label), errors) for name, errors in self.form.errors.items())
        return [Unread(name, label, self._asked[name], str(errors[0])) for name, label, errors in named]

    def start_of(self, day: date) -> datetime:
        """When a day begins at the conference; what no database can compare counts as the nearest that it can."""
        return self._midnight(min(day, LATEST))

    def end_of(self, day: date) -> datetime:
        """When a day is over at the conference."""
        return self._midnight(min(day, LATEST) + timedelta(days=1))

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(max(day, EARLIEST), time(), self.zone)
