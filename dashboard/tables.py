"""The orders list as a table: which columns, how each cell reads, what it can be sorted by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import django_tables2 as tables
from django.template.loader import render_to_string
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django_tables2.data import TableListData

from dashboard.order_facts import bar_of, second_line, settled_amount, useful_action
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


def _classes(name: str, *more: str) -> dict[str, dict[str, str]]:
    value = " ".join((*more, name))
    return {"th": {"class": value}, "td": {"class": value}}


class AmountColumn(tables.Column):
    """An amount without symbol: a conference has one currency."""

    def __init__(self, css: str, **options: Any) -> None:
        self.css = f"num {css}"
        super().__init__(attrs={"th": {"class": self.css}, "td": {"class": self._td_class}}, **options)

    def _td_class(self, record: Order, bound_column: Any) -> str:
        return self.css if bound_column.accessor.resolve(record) else f"{self.css} zero"

    def render(self, value: Decimal, record: Order) -> str:
        """Return the digits of the order's currency."""
        return format_amount(value, record.currency)


class OrderTable(tables.Table):
    """One row per order."""

    reference = tables.Column(verbose_name=_("Order"), attrs=_classes("c-ref"))
    name = tables.Column(verbose_name=_("Attendee"), accessor="billing_name", empty_values=(), attrs=_classes("c-name"))
    total = AmountColumn("c-total", verbose_name=_("Total"))
    paid = AmountColumn("c-paid", verbose_name=_("Paid"), accessor="paid_amount")
    refunded = AmountColumn("c-refunded", verbose_name=_("Refunded"), accessor="refunded_amount")
    refundable = AmountColumn("c-left", verbose_name=_("Refundable"), accessor="refundable_amount")
    status = tables.Column(verbose_name=_("Status"), attrs=_classes("c-status"))
    age = tables.Column(verbose_name=_("Age"), accessor="created_at", attrs=_classes("c-age", "num"))
    actions = tables.Column(verbose_name=ACTIONS_HEADING, empty_values=(), orderable=False, attrs=_classes("c-act"))

    class Meta:
        template_name = "dashboard/includes/_table.html"
        order_by_field = "sort"
        attrs = {"class": "table orders", "role": "table"}
        row_attrs = {"id": lambda record: f"order-{record.reference}", "data-row": ""}

    def __init__(self, rows: Sequence[Order], *, user: Any = None, currency: str = "", **options: Any) -> None:
        self.user = user
        label = gettext("Orders, amounts in %(currency)s") % {"currency": currency}
        attrs = {**OrderTable._meta.attrs, "aria-label": label}
        super().__init__(SortedRows(list(rows)), attrs=attrs, **options)

    def render_reference(self, value: str) -> SafeString:
        """Link to the order; the keyboard's Enter follows it."""
        return format_html('<a class="ref" href="/orders/{}/" data-row-link>{}</a>', value, value)

    def render_name(self, record: Order) -> SafeString:
        """Name and email, as billed or else as the account has them."""
        name = record.billing_name or record.user.get_full_name() or record.user.get_username()
        return format_html(
            '<span>{}</span><span class="sub">{}</span>', name, record.billing_email or record.user.email
        )

    def render_refunded(self, record: Order) -> str:
        """What went back and is not on its way any more, so that the row adds up with its second line."""
        return format_amount(settled_amount(record), record.currency)

    def render_refundable(self, value: Decimal, record: Order) -> str:
        """What can still go back, over its share of what was paid."""
        context = {"amount": format_amount(value, record.currency), "is_zero": not value, "bar": bar_of(record)}
        return render_to_string("dashboard/orders/_left.html", context)

    def render_status(self, record: Order) -> str:
        """The state and what else deserves a look."""
        return render_to_string("dashboard/orders/_status.html", {"order": record, "line": second_line(record)})

    def render_age(self, record: Order) -> SafeString | str:
        """How long ago it was placed."""
        return age(record.created_at)

    def render_actions(self, record: Order) -> str:
        """The one useful thing, and the rest in a menu."""
        reason = blocked_reason(record)
        context = {
            "order": record,
            "reason": reason,
            "action": useful_action(record, self.user, reason),
            "stripe_url": _first(payment_url(payment, record.conference) for payment in record.payments.all()),
        }
        return render_to_string("dashboard/orders/_actions.html", context)


def _first(texts: Iterable[str]) -> str:
    return next(filter(None, texts), "")
