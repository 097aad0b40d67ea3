"""The orders list as a table: which columns, how each cell reads, what it can be sorted by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import django_tables2 as tables
from django.http import QueryDict
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_tables2.data import TableListData
from django_tables2.rows import BoundRow, BoundRows

from dashboard.orders.cells import OrderCells
from dashboard.orders.heads import head_of
from registration.models import Order

SORTS = {
    "reference": ("reference", False),
    "name": ("billing_name", False),
    "total": ("total", False),
    "paid": ("paid_amount", False),
    "refunded": ("refunded_amount", False),
    "refundable": ("refundable_amount", False),
    "status": ("status", False),
    "age": ("created_at", True),
}
"""Column to field, and whether its rising order is the field's falling one: the youngest is the newest."""
DEFAULT_SORT = "age"
CELLS = {
    "select": "c-check",
    "reference": "c-ref",
    "name": "c-name",
    "total": "num c-total",
    "paid": "num c-paid",
    "refunded": "num c-refunded",
    "refundable": "num c-left",
    "status": "c-status",
    "age": "num c-age",
    "actions": "c-act",
}
"""Column to the classes of its cells, in the order they are shown."""
SELECT = "registration.export_orders"
"""Who may do something with a selection of orders."""
SELECT_HEADING = lazy(format_html, str)(
    '<label class="hit needs-script"><span class="visually-hidden">{}</span>'
    '<input class="form-check-input" type="checkbox" data-select-all></label>',
    _("Select all orders on this page"),
)
ACTIONS_HEADING = lazy(format_html, str)('<span class="visually-hidden">{}</span>', _("Actions"))


def sort_of(asked: str) -> tuple[str, str, bool]:
    """Return the sort to show as chosen, its field and whether the field falls."""
    name = asked.removeprefix("-")
    if name not in SORTS:
        asked = name = DEFAULT_SORT
    field, falls = SORTS[name]
    return asked, field, falls is not asked.startswith("-")


class SortedRows(TableListData):
    """Rows that came from the database in their order already."""

    def order_by(self, aliases: Any) -> None:
        """Leave them as they are; the table only marks the column."""


def _classes(column: str) -> dict[str, dict[str, str]]:
    return {"th": {"class": CELLS[column]}}


class OrderRow(BoundRow):
    """A row that is drawn as text, without asking every column for its attributes anew."""

    @property
    def html(self) -> SafeString:
        """The row in its table, or swapped in alone."""
        return self._drawn()

    @property
    def oob_html(self) -> SafeString:
        """The row as it travels beside other parts."""
        return self._drawn(' hx-swap-oob="true"')

    def _drawn(self, attributes: str = "") -> SafeString:
        drawn: SafeString = self.table.cells.draw(self.record, attributes)
        return drawn


class OrderRows(BoundRows):
    """The rows of a table of orders."""

    def __iter__(self) -> Iterator[OrderRow]:
        """Draw them one by one."""
        for record in self.data:
            yield OrderRow(record, table=self.table)

    def __getitem__(self, key: Any) -> Any:
        """A part of them, or one."""
        if isinstance(key, slice):
            return OrderRows(data=self.data[key], table=self.table)
        return OrderRow(record=self.data[key], table=self.table)


class OrderTable(tables.Table):
    """One row per order."""

    select = tables.Column(verbose_name=SELECT_HEADING, empty_values=(), orderable=False, attrs=_classes("select"))
    reference = tables.Column(verbose_name=_("Order"), attrs=_classes("reference"))
    name = tables.Column(verbose_name=_("Attendee"), accessor="billing_name", attrs=_classes("name"))
    total = tables.Column(verbose_name=_("Total"), attrs=_classes("total"))
    paid = tables.Column(verbose_name=_("Paid"), accessor="paid_amount", attrs=_classes("paid"))
    refunded = tables.Column(verbose_name=_("Refunded"), accessor="refunded_amount", attrs=_classes("refunded"))
    refundable = tables.Column(verbose_name=_("Refundable"), accessor="refundable_amount", attrs=_classes("refundable"))
    status = tables.Column(verbose_name=_("Status"), attrs=_classes("status"))
    age = tables.Column(verbose_name=_("Age"), accessor="created_at", attrs=_classes("age"))
    actions = tables.Column(verbose_name=ACTIONS_HEADING, empty_values=(), orderable=False, attrs=_classes("actions"))

    class Meta:
        order_by_field = "sort"
        attrs = {"class": "table orders", "role": "table"}

    def __init__(
        self,
        rows: Sequence[Order],
        *,
        user: Any = None,
        currency: str = "",
        asked: QueryDict | None = None,
        **options: Any,
    ) -> None:
        self.user = user
        self._asked = asked or QueryDict()
        self.is_selectable = user is None or user.has_perm(SELECT)
        label = gettext("Orders, amounts in %(currency)s") % {"currency": currency}
        attrs = {**OrderTable._meta.attrs, "aria-label": label}
        exclude = () if self.is_selectable else ("select",)
        super().__init__(SortedRows(list(rows)), attrs=attrs, exclude=exclude, **options)
        self.rows = OrderRows(data=self.data, table=self)
        self.cells = OrderCells(user, is_selectable=self.is_selectable)

    @property
    def head_html(self) -> SafeString:
        """The cells of the head, as the table's template shows them."""
        return head_of(self.columns, self._asked, "#orders")

    @property
    def rows_html(self) -> SafeString:
        """All rows, as the table's template shows them."""
        return SafeString("\n".join(row.html for row in self.rows))
