"""The cells of an order's row as HTML.

A page draws 25 rows of them, so what all rows share (words, addresses, badges) is made ready once for the table, and a
cell is put together from text. Whatever comes from a row is escaped here, at the one place where it enters.
"""

from __future__ import annotations

from functools import cache, lru_cache
from html import escape
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

from dashboard.addresses import order_address
from dashboard.names import attendee_email, attendee_name
from dashboard.orders.facts import Action, bar_of, second_line, useful_action
from dashboard.orders.under_way import settled_amount
from dashboard.templatetags.desk import Ages, look_of
from dashboard.templatetags.icons import icon
from registration.models import Order
from registration.money import format_amount
from registration.services.planner import blocked_reason


class OrderCells:
    """Draws the rows of one table for one reader."""

    def __init__(self, user: Any, *, is_selectable: bool) -> None:
        self._user = user
        self._may = cache(user.has_perm) if user is not None else _everything
        self._is_selectable = is_selectable
        self._language, self._ages = get_language(), Ages()
        self._select = escape(_("Select %(reference)s"))
        self._more = escape(_("More about %(reference)s"))
        self._not_now = escape(_("not now"))
        self._dots = icon("ellipsis-horizontal")

    def draw(self, order: Order, attributes: str = "") -> SafeString:
        """A row with all its cells; ``attributes`` stand beside those it always has."""
        settled, reason = settled_amount(order), blocked_reason(order)
        return SafeString(
            f'<tr role="row" id="order-{escape(order.reference)}" data-row{attributes}>'
            f"{self._select_cell(order)}{self._reference_cell(order)}{self._name_cell(order)}"
            f"{self._amount_cell(order, 'c-total', order.total)}{self._amount_cell(order, 'c-paid', order.paid_amount)}"
            f"{self._amount_cell(order, 'c-refunded', settled, is_zero=not order.refunded_amount)}"
            f"{self._left_cell(order, reason)}{self._status_cell(order, reason)}"
            f'<td role="cell" class="num c-age">{self._ages.of(order.created_at)}</td>'
            f"{self._actions_cell(order, reason)}</tr>"
        )

    def _select_cell(self, order: Order) -> str:
        """A box of the form below the table."""
        if not self._is_selectable:
            return ""
        reference = escape(order.reference)
        return (
            '<td role="cell" class="c-check"><label class="hit"><input class="form-check-input" type="checkbox"'
            f' name="order" value="{reference}" form="selection"'
            f' aria-label="{self._select % {"reference": reference}}"></label></td>'
        )

    def _reference_cell(self, order: Order) -> str:
        """Link to the order; the keyboard's Enter follows it."""
        url = escape(order_address("order_detail", order.reference))
        return (
            f'<td role="cell" class="c-ref"><a class="ref" href="{url}" data-row-link>'
            f"{escape(order.reference)}</a></td>"
        )

    def _name_cell(self, order: Order) -> str:
        """Name and email, as billed or else as the account has them."""
        name, email = attendee_name(order), attendee_email(order)
        return (
            f'<td role="cell" class="c-name"><span>{escape(name)}</span><span class="sub">{escape(email)}</span></td>'
        )

    def _amount_cell(self, order: Order, css: str, amount: Any, *, is_zero: bool | None = None) -> str:
        """Amounts are without symbol: a conference has one currency."""
        zero = " zero" if (not amount if is_zero is None else is_zero) else ""
        said = format_amount(amount, order.currency, self._language)
        return f'<td role="cell" class="num {css}{zero}">{said}</td>'

    def _left_cell(self, order: Order, reason: str) -> str:
        """What can still go back, over its share of what was paid; what something keeps from going back says so."""
        is_free = order.refundable_amount and not reason
        zero, strong = ("", " strong") if is_free else (" zero", "")
        bar = bar_of(order)
        drawn = _bar(**bar) if bar else ""
        if order.refundable_amount and reason:
            drawn = f'<span class="sub">{self._not_now}</span>'
        amount = format_amount(order.refundable_amount, order.currency, self._language)
        return f'<td role="cell" class="num c-left{zero}"><span class="amt{strong}">{amount}</span>{drawn}</td>'

    def _status_cell(self, order: Order, reason: str) -> str:
        """The state and what else deserves a look."""
        badge, line = _badge(order.status, self._language), second_line(order, reason)
        tone = f" {line.tone}" if line and line.tone else ""
        second = f'<span class="sub{tone}">{escape(line.text)}</span>' if line else ""
        return f'<td role="cell" class="c-status">{badge}{second}</td>'

    def _actions_cell(self, order: Order, reason: str) -> str:
        """The one useful thing to do, and a menu that fetches its panel when it is opened."""
        action, reference = useful_action(order, self._user, reason, self._may), escape(order.reference)
        return (
            f'<td role="cell" class="c-act"><div class="acts">{_button(reference, action) if action else ""}'
            '<details class="menu needs-script" data-menu><summary class="btn btn-ghost btn-icon btn-sm"'
            f' aria-label="{self._more % {"reference": reference}}">{self._dots}'
            '</summary><div class="menu-panel"></div></details></div></td>'
        )


def _everything(_permission: str) -> bool:
    """A row drawn for nobody in particular offers all, and the actions themselves decide."""
    return True


def _button(reference: str, action: Action) -> str:
    """The row's one action: fetched into the panel, done at once by a script, or a link."""
    url, counted = escape(action.url), ""
    fetched = f' hx-get="{url}" hx-target="#drawer"' if action.drawer else ""
    if action.post:
        fetched = f' hx-post="{escape(action.post)}" hx-swap="none" data-money'
    if action.seconds:
        counted = f' <span class="seconds" data-seconds="{action.seconds}" aria-hidden="true">{action.seconds}</span>'
    key = f' data-key="{action.key}"' if action.key else ""
    return (
        f'<a class="btn btn-sm" id="{action.kind}-{reference}" href="{url}"{key}{fetched}'
        f' aria-label="{escape(action.label)} {reference}">{escape(action.label)}{counted}</a>'
    )


@lru_cache(maxsize=64)
def _badge(status: str, _language: str | None) -> str:
    hue, name, label = look_of("order", status)
    tone = f" is-{hue}" if hue and hue != "gray" else ""
    return f'<span class="badge{tone}">{icon(name)}{escape(str(label))}</span>'


@lru_cache(maxsize=4096)
def _bar(left: int, moving: int, waiting: int) -> str:
    widths = {"left": left, "moving": moving, "waiting": waiting, "not_waiting": left + moving}
    return render_to_string("includes/_money_bar.html", widths).strip()
