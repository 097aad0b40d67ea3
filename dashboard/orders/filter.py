"""What a list of orders can be narrowed by; all of it stands in the address."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from functools import cached_property, lru_cache
from typing import Any

import django_filters
from django.db import connection
from django.db.models import F, QuerySet
from django.utils.translation import gettext_lazy as _

from dashboard.lists.counts import MORE, Part, ask, values_unless_many
from dashboard.lists.filter import AmountFilter, ListFilter, choice_filter, day_filter
from dashboard.lists.unread import NO_SUCH_WORDS, Unread
from registration.models import Conference, OpenItem, Order, Payment
from registration.order_search import AmongKeys, Led, Search, search
from registration.selection import READY

ANY = "any"
LEADING = {"method": "orders_by_method", "attention": "orders_by_item"}
"""Filters by rows that lead to orders, where these are few, and what the keys of the orders are asked for as."""
YES = "true"
YES_OR_NO = [(YES, YES), ("false", "false")]


class OrderFilter(ListFilter):
    """Search and filters of the orders list, the same for the page, its counts and the export."""

    q = django_filters.CharFilter(
        method="search", label=_("Search orders"), error_messages={"null_characters_not_allowed": NO_SUCH_WORDS}
    )
    status = choice_filter(Order.Status.choices, _("Status"))
    refundable = choice_filter(YES_OR_NO, _("Refundable"), method="only_refundable")
    attention = choice_filter(
        [(ANY, _("Anything")), *OpenItem.Kind.choices],
        _("Needs attention"),
        method="led_to",
        empty_label=_("All orders"),
    )
    method = choice_filter(Payment.Method.choices, _("Paid by"), method="led_to", empty_label=_("Any method"))
    since = day_filter(_("Placed from"), method="placed_since")
    until = day_filter(_("Placed until"), method="placed_until")
    least = AmountFilter(field_name="total", lookup_expr="gte", label=_("Total from"))
    most = AmountFilter(field_name="total", lookup_expr="lte", label=_("Total to"))

    def __init__(self, asked: Mapping[str, str], *args: Any, conference: Conference, **options: Any) -> None:
        super().__init__(asked, *args, conference=conference, **options)
        self._search: Search | None = None
        self._known: dict[str, list[int] | int] = {}

    @property
    def read(self) -> dict[str, Any]:
        """What was asked, by filter, as far as it could be read."""
        if self._is_plain_search:
            return {"q": self._asked["q"].strip()}
        return super().read

    @cached_property
    def unread(self) -> list[Unread]:
        """What was asked and could not be read."""
        return [] if self._is_plain_search else super().unread

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

    def only_refundable(self, queryset: QuerySet[Order], _name: str, value: str) -> QuerySet[Order]:
        """Keep orders with something left to give back, or those without; what a pending one holds is not for now."""
        return queryset.filter(READY) if value == YES else queryset.exclude(READY)

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
        return queryset.filter(created_at__gte=self.start_of(value))

    def placed_until(self, queryset: QuerySet[Order], _name: str, value: date) -> QuerySet[Order]:
        """Keep orders up to this day and including it."""
        return queryset.filter(created_at__lt=self.end_of(value))


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
