"""What a list of orders can be narrowed by; all of it stands in the address."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import django_filters
from django import forms
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils.translation import gettext_lazy as _

from registration.models import Conference, OpenItem, Order, Payment, RefundPart
from registration.search import MAX_WORDS, words

STRIPE_ID = re.compile(r"(pi|ch|py|re|pyr)_\w+", re.ASCII)
LAST4 = re.compile(r"\d{4}", re.ASCII)
ANY = "any"
AMOUNT = {"min_value": 0, "max_value": Decimal("9999999999.99"), "decimal_places": 2}
EARLIEST, LATEST = date(1970, 1, 1), date(2200, 1, 1)
"""Beyond these, moments leave what a database can compare."""


class OrderFilter(django_filters.FilterSet):
    """Search and filters of the orders list, the same for the page, its counts and the export."""

    q = django_filters.CharFilter(method="search", label=_("Search orders"))
    status = django_filters.ChoiceFilter(choices=Order.Status.choices, label=_("Status"))
    refundable = django_filters.BooleanFilter(method="only_refundable", label=_("Refundable"))
    attention = django_filters.ChoiceFilter(
        choices=[(ANY, _("Anything")), *OpenItem.Kind.choices],
        method="needing",
        label=_("Needs attention"),
        empty_label=_("All orders"),
    )
    method = django_filters.ChoiceFilter(
        choices=Payment.Method.choices, method="paid_by", label=_("Paid by"), empty_label=_("Any method")
    )
    since = django_filters.DateFilter(
        method="placed_since", label=_("Placed from"), widget=forms.DateInput(attrs={"type": "date"})
    )
    until = django_filters.DateFilter(
        method="placed_until", label=_("Placed until"), widget=forms.DateInput(attrs={"type": "date"})
    )
    least = django_filters.NumberFilter(field_name="total", lookup_expr="gte", label=_("Total from"), **AMOUNT)
    most = django_filters.NumberFilter(field_name="total", lookup_expr="lte", label=_("Total to"), **AMOUNT)

    class Meta:
        model = Order
        fields: list[str] = []

    def __init__(self, *args: Any, conference: Conference, **options: Any) -> None:
        """Days begin and end where the conference is."""
        super().__init__(*args, **options)
        self.zone = ZoneInfo(conference.timezone)
        for field in self.form.fields.values():
            field.widget.attrs["class"] = "form-select" if isinstance(field, forms.ChoiceField) else "form-control"

    def narrowed(self, queryset: QuerySet[Order], without: Collection[str] = ()) -> QuerySet[Order]:
        """Narrow another queryset by what was asked, some of it left out; what cannot be read narrows nothing."""
        self.form.full_clean()
        for name, value in self.form.cleaned_data.items():
            if name not in without:
                queryset = self.filters[name].filter(queryset, value)
        return queryset

    def search(self, queryset: QuerySet[Order], _name: str, value: str) -> QuerySet[Order]:
        """Keep orders in which every word occurs, as the beginning of a word or of an id at Stripe."""
        tokens = value.split()[:MAX_WORDS]
        conditions = [condition for token in tokens for condition in _conditions(token)]
        return queryset.filter(*conditions) if conditions else queryset.none()

    def only_refundable(self, queryset: QuerySet[Order], _name: str, value: bool) -> QuerySet[Order]:
        """Keep orders with something left to give back, or those without."""
        return queryset.filter(refundable_amount__gt=0) if value else queryset.filter(refundable_amount=0)

    def needing(self, queryset: QuerySet[Order], _name: str, value: str) -> QuerySet[Order]:
        """Keep orders somebody should look at."""
        items = OpenItem.objects.unresolved().filter(order=OuterRef("pk"))
        return queryset.filter(Exists(items if value == ANY else items.filter(kind=value)))

    def paid_by(self, queryset: QuerySet[Order], _name: str, value: str) -> QuerySet[Order]:
        """Keep orders with money that arrived this way."""
        payments = Payment.objects.captured().filter(order=OuterRef("pk"), method=value)
        return queryset.filter(Exists(payments))

    def placed_since(self, queryset: QuerySet[Order], _name: str, value: date) -> QuerySet[Order]:
        """Keep orders from this day on."""
        return queryset.filter(created_at__gte=self._midnight(min(value, LATEST)))

    def placed_until(self, queryset: QuerySet[Order], _name: str, value: date) -> QuerySet[Order]:
        """Keep orders up to this day and including it."""
        return queryset.filter(created_at__lt=self._midnight(min(value, LATEST) + timedelta(days=1)))

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(max(day, EARLIEST), time(), self.zone)


def _conditions(token: str) -> list[Q]:
    if STRIPE_ID.fullmatch(token):
        return [_at_stripe(token)]
    return [_of_word(word) for word in words(token)[:MAX_WORDS]]


def _of_word(word: str) -> Q:
    condition = Q(search_text__contains=f" {word}")
    if LAST4.fullmatch(word):
        condition |= Q(Exists(Payment.objects.filter(order=OuterRef("pk"), card_last4=word)))
    return condition


def _at_stripe(token: str) -> Q:
    intent, charge = Q(stripe_payment_intent_id__startswith=token), Q(stripe_charge_id__startswith=token)
    payments = Payment.objects.filter(intent | charge).values("order")
    refunds = RefundPart.objects.filter(stripe_refund_id__startswith=token).values("refund__order")
    return Q(pk__in=payments) | Q(pk__in=refunds)
