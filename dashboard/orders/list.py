"""What the page of orders shows, put together once for the page and for its pieces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from dashboard.access import conferences_of
from dashboard.addresses import page_address
from dashboard.forms.fields import NO_SUCH_CHOICE
from dashboard.lists.counts import COUNT_CAP, Part, ask, capped_each, counted_together, said
from dashboard.lists.filtered_list import TYPED_PARAMETERS, FilteredList
from dashboard.lists.paging import LARGER_SIZES, PAGE_SIZE, KeysetPage, keyset_page
from dashboard.lists.tables import DEFAULT_SORT, SORTS, OrderTable, sort_of
from dashboard.lists.unread import Unread
from dashboard.orders.filter import YES, OrderFilter
from dashboard.orders.rows import page_of
from dashboard.waiting import ask_with_frame
from registration.models import Conference, Order

CHIP_PARAMETERS = ("status", "refundable")
FILTER_PARAMETERS = ("attention", "method", *TYPED_PARAMETERS)
OFTEN_ALIKE = ("status", "refunded_amount")
"""Columns in which a season has the same value again and again."""
REFUNDABLE = "found.refundable_amount > 0 AND found.status <> 'PENDING'"
"""As the filter has it: what a pending order holds goes back when it is cancelled, not now."""
LOOKS = ("sort", "size")
"""How the list is laid out, whatever it is narrowed to."""
MOST_ELSEWHERE = 10
"""How many other conferences an empty list names, and a search that found nothing looks at."""
KEPT_PARAMETERS = ("q", *CHIP_PARAMETERS, *FILTER_PARAMETERS, *LOOKS)


@dataclass(frozen=True)
class Chip:
    """A filter that is one link away."""

    label: str
    url: str
    count: str
    current: bool


class OrderList(FilteredList):
    """The orders of one conference as an address asks for them."""

    filter_parameters = FILTER_PARAMETERS

    def __init__(self, request: HttpRequest, conference: Conference) -> None:
        self.request = request
        self.conference = conference
        self.asked = {key: request.GET[key].strip() for key in KEPT_PARAMETERS if request.GET.get(key, "").strip()}
        self._odd_looks = list(self._unread_looks())
        for each in self._odd_looks:
            del self.asked[each.name]
        self.sort, self._field, self._descending = sort_of(self.asked.get("sort", ""))
        for name, usual in (("sort", DEFAULT_SORT), ("size", str(PAGE_SIZE))):
            if self.asked.get(name) == usual:
                del self.asked[name]
        # A link passed to a colleague must show the same orders, whatever lies on their desk.
        several = len(conferences_of(request)) > 1
        self._place = {"conference": conference.slug} if several else {}

    @cached_property
    def filter(self) -> OrderFilter:
        """The filters with what was asked; what cannot be read is left out and told."""
        return OrderFilter(self.asked, queryset=Order.objects.all(), conference=self.conference)

    @cached_property
    def unread(self) -> list[Unread]:
        """What was asked and cannot be read; said above the list, for it narrows nothing."""
        narrowing = self.filter.unread if self.asked.keys() - set(LOOKS) else []
        return [*narrowing, *self._odd_looks]

    def _unread_looks(self) -> Iterator[Unread]:
        """What was asked of the list's layout and is none of what it offers."""
        sorts = {f"{sign}{name}" for name in SORTS for sign in ("", "-")}
        sizes = {*map(str, (PAGE_SIZE, *LARGER_SIZES))}
        for name, label, offered in (("sort", _("Sort order"), sorts), ("size", _("Rows on a page"), sizes)):
            if self.asked.get(name, next(iter(offered))) not in offered:
                yield Unread(name, label, self.asked[name], str(NO_SUCH_CHOICE))

    @cached_property
    def narrowing(self) -> dict[str, str]:
        """What was asked and narrows the list."""
        left_out = {*LOOKS, *(each.name for each in self.unread)}
        return {name: value for name, value in self.asked.items() if name not in left_out}

    def orders(self) -> QuerySet[Order]:
        """All that the filters leave, sorted, for the export."""
        return self._sorted(self._narrowed())

    def of_conference(self) -> QuerySet[Order]:
        """All orders of the conference in the order of the list, whatever it is narrowed to."""
        return self._sorted(Order.objects.filter(conference=self.conference))

    def _narrowed(self, without: tuple[str, ...] = ()) -> QuerySet[Order]:
        orders: QuerySet[Order] = Order.objects.filter(conference=self.conference)
        # A list of everything needs no form to say so.
        return self.filter.narrowed(orders, without) if self.is_narrowed else orders

    def _sorted(self, orders: QuerySet[Order]) -> QuerySet[Order]:
        sign = "-" if self._descending else ""
        return orders.order_by(f"{sign}{self._field}", f"{sign}pk")

    @cached_property
    def page(self) -> KeysetPage[Order]:
        """The rows shown."""
        page = keyset_page(
            self.orders(),
            self._field,
            descending=self._descending,
            after=self.request.GET.get("after", ""),
            before=self.request.GET.get("before", ""),
            size=int(self.asked.get("size", 0)),
            is_often_alike=self._field in OFTEN_ALIKE,
            fetch=page_of,
        )
        for order in page.rows:
            # All are of one conference: joining it would decrypt its keys once for each row.
            order.conference = self.conference
        return page

    @cached_property
    def table(self) -> OrderTable:
        """The rows as a table."""
        return OrderTable(
            self.page.rows,
            user=self.request.user,
            currency=self.conference.currency,
            asked=self.request.GET,
            order_by=self.sort,
        )

    @cached_property
    def counts(self) -> dict[str, int | None]:
        """What each chip would find, given the search and the other filters; None for what nobody should count."""
        return self._capped(ask(*self._counting))

    def count_with_frame(self) -> None:
        """Count in one question with what the frame of the page counts, or with what must be known before counting."""
        if self.is_narrowed and (unknown := self.filter.unknown):
            self.filter.learn(ask_with_frame(self.request, self.conference, unknown))
        else:
            self.counts = self._capped(ask_with_frame(self.request, self.conference, *self._counting))

    @property
    def chips(self) -> list[Chip]:
        """Filters by status, each with what it would find."""
        wanted: list[tuple[str, str, dict[str, str]]] = [
            ("all", _("All"), {}),
            ("refundable", _("Refundable"), {"refundable": YES}),
            *((status.value, str(status.label), {"status": status.value}) for status in Order.Status),
        ]
        return [
            Chip(label, self.url(query, drop=CHIP_PARAMETERS), said(self.counts[name]), self._chipped == query)
            for name, label, query in wanted
        ]

    @property
    def summary(self) -> str:
        """How much of it is on this page: "25 of 1,284 orders"."""
        shown, found = len(self.page.rows), self.found
        if found is None:
            words = ngettext("%(shown)s order on this page", "%(shown)s orders on this page", shown)
            return words % {"shown": shown}
        words = ngettext("%(shown)s of %(found)s order", "%(shown)s of %(found)s orders", found)
        return words % {"shown": shown, "found": said(found)}

    @property
    def announcement(self) -> str:
        """What a screen reader hears after a search."""
        found = self.found
        if found is None:
            return self.summary
        return ngettext("%(found)s order", "%(found)s orders", found) % {"found": said(found)}

    @property
    def elsewhere(self) -> list[dict[str, str]]:
        """The user's other conferences; after a search that found nothing, those where it finds something, first."""
        others = [each for each in conferences_of(self.request) if each.pk != self.conference.pk]
        words = {"q": self.asked["q"]} if "q" in self.asked else {}
        rows = [
            {
                "name": each.name,
                "url": f"{page_address('order_list')}?{urlencode({'conference': each.slug} | words)}",
                "count": self._found_at(each) if words else "",
            }
            for each in others[:MOST_ELSEWHERE]
        ]
        return sorted(rows, key=lambda row: not row["count"])

    def _found_at(self, conference: Conference) -> str:
        """How many the search alone finds at another conference; nothing when none."""
        asked = OrderFilter({"q": self.asked["q"]}, queryset=Order.objects.all(), conference=conference)
        found = asked.narrowed(Order.objects.filter(conference=conference))[: COUNT_CAP + 1].count()
        return said(found) if found else ""

    @property
    def sizes(self) -> list[Chip]:
        """How many rows a page may have, each a link to the first page of that size."""
        now = self.asked.get("size", "")
        first = Chip(str(PAGE_SIZE), self.url({}, drop=("size",)), "", not now)
        larger = (Chip(str(size), self.url({"size": str(size)}), "", now == str(size)) for size in LARGER_SIZES)
        return [first, *larger]

    @property
    def export_url(self) -> str:
        """The same orders as a file."""
        return self._to("order_export", self.asked)

    @property
    def selection_url(self) -> str:
        """Where a selection of these orders is added up and exported; it knows the same filters."""
        return self._to("order_selection", self.asked)

    @property
    def found_words(self) -> str:
        """How many orders the filters leave: "1,284", "over 1,000" or, uncounted, "that match"."""
        return said(self.found) or _("that match")

    @property
    def kept(self) -> dict[str, str]:
        """What the search form sends along although it has no field for it."""
        return self._place | {key: value for key, value in self.asked.items() if key in (*CHIP_PARAMETERS, *LOOKS)}

    def url(self, changes: Mapping[str, str], drop: tuple[str, ...] = ()) -> str:
        """The address of the list with some parameters changed."""
        return self._to("order_list", {k: v for k, v in self.asked.items() if k not in drop} | dict(changes))

    def _to(self, name: str, query: dict[str, str]) -> str:
        query = self._place | query
        address = page_address(name)
        return f"{address}?{urlencode(query)}" if query else address

    @property
    def found(self) -> int | None:
        """How many orders the list has on all its pages; None when that was not counted."""
        counted = self.counts["found" if self._chipped else "all"]
        is_whole = not (self.page.before or self.page.after)
        return len(self.page.rows) if counted is None and is_whole else counted

    @property
    def _counting(self) -> tuple[dict[str, Part], Part | None]:
        """What to ask for the chips and the list, and what to read it from. No count ever reads all orders."""
        conditions: dict[str, Part] = {"refundable": (REFUNDABLE, ())}
        conditions |= {status.value: ("found.status = %s", (status.value,)) for status in Order.Status}
        if self._chipped:
            conditions["found"] = self._chip_condition
        if self._is_searched and self.filter.finds_too_many:
            return {}, None
        orders, columns = self._narrowed(CHIP_PARAMETERS), ("status", "refundable_amount")
        if not self._is_searched:
            return capped_each(orders, conditions, columns), None
        # What these find is common, or found by its keys, whatever else is asked.
        are_few = not self.narrowing.keys().isdisjoint(("q", "method", "attention"))
        return counted_together(orders.order_by(), conditions, columns, whole="all", are_few=are_few)

    @property
    def _chip_condition(self) -> Part:
        status, refundable = self.filter.read.get("status"), self.filter.read.get("refundable")
        conditions = ["found.status = %s"] if status else []
        if refundable:
            conditions.append(REFUNDABLE if refundable == YES else f"NOT ({REFUNDABLE})")
        return " AND ".join(conditions) or "TRUE", (status,) if status else ()

    def _capped(self, counts: dict[str, Any]) -> dict[str, int | None]:
        """Say of all that is found that it is more than the cap, and of its parts only what was counted to the end."""
        names = ("all", "refundable", "found", *Order.Status.values)
        if not counts:
            return dict.fromkeys(names)
        if not self._is_searched:
            # Every order has one status: counting all of them again would say nothing new.
            return {"all": min(sum(counts[status] for status in Order.Status.values), COUNT_CAP + 1), **counts}
        if counts["all"] <= COUNT_CAP:
            return counts
        return {**dict.fromkeys(names), "all": COUNT_CAP + 1}

    @property
    def _is_searched(self) -> bool:
        """Whether more than the chips narrows the list, so that no index leads to what each of them finds."""
        return bool(self.narrowing.keys() - set(CHIP_PARAMETERS))

    @property
    def _chipped(self) -> dict[str, str]:
        return {key: self.narrowing[key] for key in CHIP_PARAMETERS if key in self.narrowing}
