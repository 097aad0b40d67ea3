"""The orders list as a table: which columns, how each cell reads, what it can be sorted by."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import django_tables2 as tables
from django.urls import reverse
from django.utils.functional import lazy
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_tables2.data import TableListData
from django_tables2.rows import BoundRow, BoundRows

from dashboard.order_cells import actions_cell, left_cell, select_cell, status_cell
from dashboard.order_facts import settled_amount, useful_action
from dashboard.stripe_links import payment_url
from dashboard.templatetags.desk import age
from registration.models import Order
from registration.money import format_amount
from registration.services.planner import blocked_reason

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
AMOUNT_FIELDS = {
    "total": "total",
    "paid": "paid_amount",
    "refunded": "refunded_amount",
    "refundable": "refundable_amount",
}
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
    """A row whose cells are drawn without asking every column for its attributes anew."""

    @property
    def cells_html(self) -> SafeString:
        """All cells of the row, as the row's template would draw them."""
        record, table = self.record, self.table
        amounts = ((name, getattr(record, field)) for name, field in AMOUNT_FIELDS.items())
        zero = {name for name, amount in amounts if not amount}
        cells = (
            (
                f"{css} zero" if name in zero else css,
                getattr(table, f"render_{name}")(record),
            )
            for name, css in CELLS.items()
            if name != "select" or table.is_selectable
        )
        return format_html_join("", '<td role="cell" class="{}">{}</td>', cells)


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
        template_name = "dashboard/includes/_table.html"
        order_by_field = "sort"
        attrs = {"class": "table orders", "role": "table"}
        row_attrs = {"id": lambda record: f"order-{record.reference}", "data-row": ""}

    def __init__(self, rows: Sequence[Order], *, user: Any = None, currency: str = "", **options: Any) -> None:
        self.user = user
        self.is_selectable = user is None or user.has_perm(SELECT)
        label = gettext("Orders, amounts in %(currency)s") % {"currency": currency}
        attrs = {**OrderTable._meta.attrs, "aria-label": label}
        exclude = () if self.is_selectable else ("select",)
        super().__init__(SortedRows(list(rows)), attrs=attrs, exclude=exclude, **options)
        self.rows = OrderRows(data=self.data, table=self)

    def render_select(self, record: Order) -> SafeString:
        """The box that puts the order into the selection."""
        return select_cell(record)

    def render_reference(self, record: Order) -> SafeString:
        """Link to the order; the keyboard's Enter follows it."""
        url = reverse("order_detail", args=[record.reference])
        return format_html('<a class="ref" href="{}" data-row-link>{}</a>', url, record.reference)

    def render_name(self, record: Order) -> SafeString:
        """Name and email, as billed or else as the account has them."""
        name = record.billing_name or record.user.get_full_name() or record.user.get_username()
        return format_html(
            '<span>{}</span><span class="sub">{}</span>', name, record.billing_email or record.user.email
        )

    def render_total(self, record: Order) -> str:
        """Amounts are without symbol: a conference has one currency."""
        return format_amount(record.total, record.currency)

    def render_paid(self, record: Order) -> str:
        """What came in."""
        return format_amount(record.paid_amount, record.currency)

    def render_refunded(self, record: Order) -> str:
        """What went back and is not on its way any more, so that the row adds up with its second line."""
        return format_amount(settled_amount(record), record.currency)

    def render_refundable(self, record: Order) -> SafeString:
        """What can still go back, over its share of what was paid."""
        return left_cell(record)

    def render_status(self, record: Order) -> SafeString:
        """The state and what else deserves a look."""
        return status_cell(record)

    def render_age(self, record: Order) -> SafeString | str:
        """How long ago it was placed."""
        return age(record.created_at)

    def render_actions(self, record: Order) -> SafeString:
        """The one useful thing, and the rest in a menu."""
        reason = blocked_reason(record)
        stripe_url = _first(payment_url(payment, record.conference) for payment in record.payments.all())
        return actions_cell(record, useful_action(record, self.user, reason), reason, stripe_url)


def _first(texts: Iterable[str]) -> str:
    return next(filter(None, texts), "")
