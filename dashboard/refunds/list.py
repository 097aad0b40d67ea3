"""What the page of refunds shows, put together once for the page and for its pieces."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.addresses import page_address
from dashboard.lists.counts import COUNT_CAP, MOST_GATHERED, Part, ask, said
from dashboard.lists.filtered_list import TYPED_PARAMETERS, FilteredList
from dashboard.lists.paging import KeysetPage, keyset_page
from dashboard.lists.unread import Unread
from dashboard.orders.list import Chip
from dashboard.refunds.filter import STATES, RefundFilter, in_state
from dashboard.refunds.page import refund_row
from dashboard.templatetags.desk import state_label
from dashboard.waiting import ask_with_frame, waiting_at
from registration.models import Conference, Order, Refund

FILTER_PARAMETERS = ("to", "reason", "by", *TYPED_PARAMETERS)
KEPT_PARAMETERS = ("q", "state", *FILTER_PARAMETERS)
COUNTED = (
    "(SELECT CASE WHEN COUNT(*) <= {cap} OR SUM(own) > {cap} THEN COALESCE(SUM(own), 0) END"
    " FROM (SELECT CASE WHEN place = %s THEN 1 ELSE 0 END AS own FROM ({rows}) AS found) AS counted)"
)
"""How many of some rows are of one conference; nothing where there are more rows, which might be."""


class RefundList(FilteredList):
    """The refunds of one conference as an address asks for them."""

    filter_parameters = FILTER_PARAMETERS

    def __init__(self, request: HttpRequest, conference: Conference) -> None:
        self.request = request
        self.conference = conference
        self.asked = {key: request.GET[key].strip() for key in KEPT_PARAMETERS if request.GET.get(key, "").strip()}

    @cached_property
    def filter(self) -> RefundFilter:
        """The filters with what was asked; what cannot be read is left out and told."""
        return RefundFilter(self.asked, queryset=Refund.objects.all(), conference=self.conference)

    @cached_property
    def unread(self) -> list[Unread]:
        """What was asked and cannot be read; said above the list, for it narrows nothing."""
        return self.filter.unread if self.asked else []

    @cached_property
    def narrowing(self) -> dict[str, str]:
        """What was asked and narrows the list."""
        left_out = {each.name for each in self.unread}
        return {name: value for name, value in self.asked.items() if name not in left_out}

    def refunds(self, without: tuple[str, ...] = ()) -> QuerySet[Refund]:
        """All that the filters leave, newest first, for the export."""
        refunds = Refund.objects.filter(order__conference=self.conference).order_by("-pk")
        return self.filter.narrowed(refunds, without) if self.narrowing else refunds

    @cached_property
    def page(self) -> KeysetPage[Refund]:
        """The rows shown."""
        page = keyset_page(
            self.refunds().select_related("order__user", "requested_by").prefetch_related("parts__payment"),
            "id",
            descending=True,
            after=self.request.GET.get("after", ""),
            before=self.request.GET.get("before", ""),
        )
        for refund in page.rows:
            # All are of one conference: joining it would decrypt its keys for each, and SQLite would sort all of them.
            refund.order.conference = self.conference
        return page

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows as they are drawn."""
        return [refund_row(refund) for refund in self.page.rows]

    def count_with_frame(self) -> None:
        """Count in one question with what the frame of the page counts, unless it has to be found first."""
        if self._is_whole:
            self.counts = ask_with_frame(self.request, self.conference, self._counting)
        else:
            waiting_at(self.request, self.conference)

    @cached_property
    def counts(self) -> dict[str, int | None]:
        """What each chip would find, given the other filters; None for what cannot be counted without reading much."""
        if self._is_whole:
            return ask(self._counting)
        if not (self.filter.finds_few or self._are_few):
            return dict.fromkeys(("all", *STATES))
        found = self.refunds(without=("state",)).order_by()
        asked = {str(state): Count("pk", filter=in_state(state)) for state in STATES}
        counted: dict[str, int | None] = found.aggregate(all=Count("pk"), **asked)
        return counted

    @property
    def _are_few(self) -> bool:
        """Whether all refunds together are so few that those of an amount, a way or a reason can be counted."""
        return Refund.objects.order_by()[: MOST_GATHERED + 1].count() <= MOST_GATHERED

    @property
    def _is_whole(self) -> bool:
        """Whether nothing but a state narrows the list."""
        return not self.narrowing.keys() - {"state"}

    @property
    def _counting(self) -> dict[str, Part]:
        """What to ask for the chips: of each state, and of all, no more rows than a chip says."""
        states = {str(state): self._some(Refund.objects.filter(in_state(state))) for state in STATES}
        return {"all": self._some(Refund.objects.all()), **states}

    def _some(self, refunds: QuerySet[Refund]) -> Part:
        # Looked up row by row: joined, a planner might read all orders for them.
        place = Subquery(Order.objects.filter(pk=OuterRef("order_id")).values("conference_id")[:1])
        some = refunds.order_by().annotate(place=place).values("place")[: COUNT_CAP + 1]
        sql, params = some.query.sql_with_params()
        return COUNTED.format(cap=COUNT_CAP, rows=sql), (self.conference.pk, *params)

    @property
    def chips(self) -> list[Chip]:
        """Filters by state, each with what it would find."""
        wanted = [("all", _("All"), {}), *((state, state_label(state, "refund"), {"state": state}) for state in STATES)]
        shown = self.narrowing.get("state", "all")
        return [
            Chip(label, self.url(query, drop=("state",)), said(self.counts[name]), shown == name)
            for name, label, query in wanted
        ]

    @property
    def summary(self) -> str:
        """How many are on this page."""
        shown = len(self.page.rows)
        return ngettext("%(shown)s refund on this page", "%(shown)s refunds on this page", shown) % {"shown": shown}

    @property
    def orders_url(self) -> str:
        """The same words looked for among the orders."""
        words = self.narrowing.get("q", "")
        return f"{page_address('order_list')}?{urlencode({'q': words})}" if words else ""

    @property
    def export_url(self) -> str:
        """The same refunds as a file."""
        return _address("refund_export", self.asked)

    def url(self, changes: Mapping[str, str], drop: tuple[str, ...] = ()) -> str:
        """The address of the list with some parameters changed."""
        return _address("refund_list", {k: v for k, v in self.asked.items() if k not in drop} | dict(changes))


def _address(name: str, query: Mapping[str, str]) -> str:
    address = page_address(name)
    return f"{address}?{urlencode(query)}" if query else address
